"""Flow of a record as lines for people: a tree, and what came when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fakebus.wording import counted, duration

_MOST_RIVALS = 5
"""Possible causes of a record that are drawn."""
_END_OF_TIME_MS = 253_402_300_800_000
"""The year 10000, which datetime does not know."""


def drawn(flow: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a flow: its tree, then its timeline."""
    if not flow["records"]:
        yield f"no record has {flow['asked']!r} as an id or key, or says it"
    yield from FlowTree(flow).lines()
    if len(flow["records"]) > 1:
        yield ""
        yield from _timeline(flow["records"])
    for left_out in flow.get("left_out", ()):
        yield f"not shown: {left_out}"
    if flow["behind"]:
        yield f"{counted(flow['behind'], 'record')} not looked at yet: there may be more to it"


class Step(NamedTuple):
    """Record in the tree of a flow."""

    name: str
    edge: Mapping[str, Any] | None
    """From the cause that it stands below; ``None`` at a root."""
    depth: int
    indent: str
    """What is drawn before it, which shows what it stands below."""
    again: bool
    """Whether it stands above already, with all that stands below it."""
    below: str
    """What is drawn before that which stands below it."""
    effects: Sequence[Mapping[str, Any]]
    """Edges to the records whose likeliest cause it is."""


class FlowTree:
    """Tree of a flow: causes above their effects, each record once.

    Args:
        flow: what ``fakebus flow --json`` prints.
    """

    def __init__(self, flow: Mapping[str, Any]) -> None:
        self._records = {each["record"]: each for each in flow["records"]}
        self._asked = flow["asked"]
        # Only a bus knows who wrote when, and by whom it was read; and not of too many records.
        is_of_bus = any(each.get("written_at_ms") is not None for each in flow["records"])
        is_cut = any("states in groups" in each for each in flow.get("left_out", ()))
        self._tells_groups = is_of_bus and not is_cut
        self._effects: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._causes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for edge in flow["edges"]:
            self._effects[edge["from"]].append(edge)
            self._causes[edge["to"]].append(edge)

    def steps(self) -> Iterator[Step]:
        """Yield the records; what is only one of several possible causes or effects has no own."""
        likeliest = [
            edge for edges in self._effects.values() for edge in edges if edge["rank"] == 1
        ]
        main = {self._asked, *(edge[end] for edge in likeliest for end in ("from", "to"))}
        main |= {name for name in self._records if not self._effects[name] + self._causes[name]}
        below = {edge["to"] for edge in likeliest}
        drawn: set[str] = set()
        # Of what goes round in circles the oldest record is as good a beginning as any.
        for name in (*(each for each in self._records if each not in below), *self._records):
            if name in main and name not in drawn:
                yield from self._subtree(name, drawn)

    def _subtree(self, root: str, drawn: set[str]) -> Iterator[Step]:
        # Not by recursion: a flow may be a chain of a thousand records.
        waiting: list[tuple[str, Mapping[str, Any] | None, int, str, bool]]
        waiting = [(root, None, 0, "", True)]
        while waiting:
            name, edge, depth, indent, is_last = waiting.pop()
            again = name in drawn
            drawn.add(name)
            branch = "" if edge is None else "└─ " if is_last else "├─ "
            below = indent if edge is None else indent + ("   " if is_last else "│  ")
            effects = [one for one in self._effects[name] if one["rank"] == 1]
            yield Step(name, edge, depth, indent + branch, again, below, effects)
            if again:
                continue
            for place, effect in reversed(list(enumerate(effects, 1))):
                waiting.append((effect["to"], effect, depth + 1, below, place == len(effects)))

    def lines(self) -> Iterator[str]:
        """Yield the tree as it is drawn in a terminal."""
        for step in self.steps():
            above = " (see above)" if step.again else ""
            yield f"{step.indent}{self._step(step.name, step.edge)}{above}"
            if step.again:
                continue
            bar = step.below + ("│  " if step.effects else "   ")
            record = self._records[step.name]
            yield from (f"{bar}· {_group(group)}" for group in record["groups"])
            if not record["groups"] and self._tells_groups:
                yield f"{bar}· no group has ever read {record['topic']}"
            yield from (f"{bar}· {line}" for line in self.possible(step.name))

    def delay_ms(self, edge: Mapping[str, Any]) -> int:
        """Return how long after a cause its effect was written, by the clock of the bus if known.

        The times that records have of their own are those of many clocks.
        """
        cause, effect = self._records[edge["from"]], self._records[edge["to"]]
        if cause.get("written_at_ms") is None or effect.get("written_at_ms") is None:
            return int(edge["delay_ms"])
        return written_ms(effect) - written_ms(cause)

    def _step(self, name: str, edge: Mapping[str, Any] | None) -> str:
        record = self._records[name]
        mark = "  <- asked" if name == self._asked else ""
        known = (
            ""
            if edge is None
            else f"  {edge['evidence']} ({edge['by']}), {_delay(self.delay_ms(edge))}"
        )
        return f"{name}{_what(record)}{known}{mark}"

    def possible(self, name: str) -> Iterator[str]:
        """Yield what else may have caused a record, and what else it may have caused."""
        for each in self._records[name].get("causes_not_found", ()):
            told = f"says that {each['id']} has caused it ({each['by']}), which no record here is"
            others = any(edge["evidence"] in ("observed", "hinted") for edge in self._causes[name])
            yield told + (": what else may have is only what seemed possible" if others else "")
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


def written_ms(record: Mapping[str, Any]) -> int:
    """Return when a record was written, as far as that is known; -1 if it is not."""
    written = record.get("written_at_ms")
    return int(record["timestamp_ms"] if written is None else written)


def _what(record: Mapping[str, Any]) -> str:
    parts = [record.get("type"), record["service"] or record["client_id"]]
    if record["origin"] != "produced":
        detail = record.get("origin_detail")
        parts.append(f"{record['origin']} from {detail}" if detail else record["origin"])
    if record.get("gone"):
        parts.append("gone")
    transaction = record.get("transaction")
    if transaction is not None and transaction["state"] != "committed":
        parts.append(f"its transaction is {transaction['state']}")
    return "".join(f"  {part}" for part in parts if part)


def _delay(ms: int) -> str:
    return f"{'+' if ms >= 0 else ''}{duration(ms / 1000)}"


def _group(group: Mapping[str, Any]) -> str:
    who = f" by {group['service']}" if group["service"] else ""
    reason = f": {group['reason']}" if group["reason"] else ""
    state = ("" if group.get("certain", True) else "perhaps ") + group["state"].replace("_", " ")
    return f"{group['group']} {state}{who}{reason}"


def _timeline(records: list[Mapping[str, Any]]) -> Iterator[str]:
    first = written_ms(records[0])
    if 0 <= first < _END_OF_TIME_MS:
        began = datetime.fromtimestamp(first / 1000, UTC)
        yield f"from {began.replace(tzinfo=None).isoformat(' ', 'milliseconds')} UTC"
    for record in records:
        yield f"{(written_ms(record) - first) / 1000:+9.3f} s  {record['record']}{_what(record)}"
