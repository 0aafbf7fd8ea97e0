"""Flow of a record as lines for people: a tree, and what came when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fakebus.wording import counted

_MOST_RIVALS = 5
"""Possible causes of a record that are drawn."""
_END_OF_TIME_MS = 253_402_300_800_000
"""The year 10000, which datetime does not know."""


def drawn(flow: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a flow: its tree, then its timeline."""
    records = {each["record"]: each for each in flow["records"]}
    if not records:
        yield f"no record has {flow['asked']!r} as an id or key, or says it"
    yield from _Tree(records, flow["edges"], flow["asked"]).lines()
    if len(records) > 1:
        yield ""
        yield from _timeline(flow["records"])
    for left_out in flow.get("left_out", ()):
        yield f"not shown: {left_out}"
    if flow["behind"]:
        yield f"{counted(flow['behind'], 'record')} not looked at yet: there may be more to it"


class _Tree:
    """Tree of a flow: causes above their effects, each record once."""

    def __init__(
        self,
        records: Mapping[str, Mapping[str, Any]],
        edges: list[Mapping[str, Any]],
        asked: str,
    ) -> None:
        self._records = records
        self._asked = asked
        self._effects: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._causes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for edge in edges:
            self._effects[edge["from"]].append(edge)
            self._causes[edge["to"]].append(edge)
        self._drawn: set[str] = set()

    def lines(self) -> Iterator[str]:
        """Yield the lines; what is only one of several possible causes or effects has no own."""
        likeliest = [
            edge for edges in self._effects.values() for edge in edges if edge["rank"] == 1
        ]
        main = {self._asked, *(edge[end] for edge in likeliest for end in ("from", "to"))}
        main |= {name for name in self._records if not self._effects[name] + self._causes[name]}
        below = {edge["to"] for edge in likeliest}
        # Of what goes round in circles the oldest record is as good a beginning as any.
        for name in (*(each for each in self._records if each not in below), *self._records):
            if name in main and name not in self._drawn:
                yield from self._subtree(name)

    def _subtree(self, root: str) -> Iterator[str]:
        # Not by recursion: a flow may be a chain of a thousand records.
        waiting: list[tuple[str, Mapping[str, Any] | None, str, bool]] = [(root, None, "", True)]
        while waiting:
            name, edge, indent, is_last = waiting.pop()
            again = name in self._drawn
            self._drawn.add(name)
            branch = "" if edge is None else "└─ " if is_last else "├─ "
            yield f"{indent}{branch}{self._step(name, edge)}{' (see above)' if again else ''}"
            if again:
                continue
            below = indent if edge is None else indent + ("   " if is_last else "│  ")
            effects = [one for one in self._effects[name] if one["rank"] == 1]
            bar = "│  " if effects else "   "
            for group in self._records[name]["groups"]:
                yield f"{below}{bar}· {_group(group)}"
            yield from (f"{below}{bar}· {line}" for line in self._possible(name))
            for place, effect in reversed(list(enumerate(effects, 1))):
                waiting.append((effect["to"], effect, below, place == len(effects)))

    def _step(self, name: str, edge: Mapping[str, Any] | None) -> str:
        record = self._records[name]
        mark = "  <- asked" if name == self._asked else ""
        known = (
            "" if edge is None else f"  {edge['evidence']} ({edge['by']}), {edge['delay_ms']:+d} ms"
        )
        return f"{name}{_what(record)}{known}{mark}"

    def _possible(self, name: str) -> Iterator[str]:
        rivals = [edge for edge in self._causes[name] if edge["rivals"]]
        if rivals:
            count = rivals[0]["rivals"] + 1
            yield f"{counted(count, 'possible cause')}, the likeliest first:"
            for edge in sorted(rivals, key=lambda one: one["rank"])[:_MOST_RIVALS]:
                yield f"  {edge['rank']}. {edge['from']}  {edge['evidence']} ({edge['by']})"
            if count > _MOST_RIVALS:
                yield f"  … {count - _MOST_RIVALS} more"
        effects = [edge["to"] for edge in self._effects[name] if edge["rank"] > 1]
        if effects:
            more = f" and {len(effects) - _MOST_RIVALS} more" if effects[_MOST_RIVALS:] else ""
            yield f"may also have caused {', '.join(effects[:_MOST_RIVALS])}{more}"


def _what(record: Mapping[str, Any]) -> str:
    parts = [record.get("type"), record["service"] or record["client_id"]]
    if record["origin"] != "produced":
        detail = record.get("origin_detail")
        parts.append(f"{record['origin']} from {detail}" if detail else record["origin"])
    if record.get("gone"):
        parts.append("gone")
    return "".join(f"  {part}" for part in parts if part)


def _group(group: Mapping[str, Any]) -> str:
    who = f" by {group['service']}" if group["service"] else ""
    reason = f": {group['reason']}" if group["reason"] else ""
    return f"{group['group']} {group['state'].replace('_', ' ')}{who}{reason}"


def _timeline(records: list[Mapping[str, Any]]) -> Iterator[str]:
    first = records[0].get("written_at_ms") or records[0]["timestamp_ms"]
    if 0 <= first < _END_OF_TIME_MS:
        began = datetime.fromtimestamp(first / 1000, UTC)
        yield f"from {began.replace(tzinfo=None).isoformat(' ', 'milliseconds')} UTC"
    for record in records:
        at_ms = record.get("written_at_ms") or record["timestamp_ms"]
        yield f"{(at_ms - first) / 1000:+9.3f} s  {record['record']}{_what(record)}"
