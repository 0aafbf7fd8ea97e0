"""Events that are written in two versions while readers change from one to the other.

Both have to tell of the same moment and the same thing: a reader that changes takes up where it
stopped by the time, and whoever reads both knows by key and time which of them are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from fakebus.catalogue.smell_facts import Facts, Found
from fakebus.catalogue.subjects import Stamp
from fakebus.wording import counted

_VERSION = re.compile(r"(?:[._/-]v|(?<=[a-z0-9])V)(\d{1,9})(?=$|[._/-])")
"""As in ``orders-v2``, ``shop.order.placed.v2`` or ``OrderPlacedV2``."""
_SHOWN = 5
_Twin = tuple[bytes | None, int]
"""The key and the time of an event."""


class _Versioned(NamedTuple):
    """Event type or topic whose name has a version, or may have been without one before."""

    family: str
    version: int
    name: str


def _versioned(stamp: Stamp) -> _Versioned:
    for name, rest in ((stamp.type, ""), (stamp.topic, stamp.type)):
        found = _VERSION.search(name)
        if found is not None:
            family = name[: found.start()] + name[found.end() :]
            return _Versioned(f"{family} {rest}".strip(), int(found[1]), name)
    name = stamp.type or stamp.topic
    return _Versioned(name, 0, name)


def two_versions(facts: Facts, limits: Mapping[str, Any]) -> Iterator[Found]:
    """Find events that are written in two versions, but not each with its twin."""
    families: dict[str, dict[_Versioned, dict[_Twin, Stamp]]] = {}
    for topic in facts.landscape.topics.values():
        for stamp in topic.stamps():
            versioned = _versioned(stamp)
            events = families.setdefault(versioned.family, {}).setdefault(versioned, {})
            events[stamp.key, _moment_us(stamp)] = stamp
    for versions in families.values():
        for old, new in pairwise(sorted(versions, key=lambda each: each.version)):
            found = _alone(versions[old], versions[new], limits["near_ms"] * 1000)
            if found:
                twins = len(versions[old].keys() & versions[new].keys())
                evidence = [
                    f"{counted(twins, 'event')} of {old.name} and {new.name} have the same time "
                    f"and key; not so {counted(len(found), 'other')}:",
                    *(why for why, _ in found[:_SHOWN]),
                ]
                records = [stamp.place for _, stamp in found[:_SHOWN]]
                about = f"{old.name} and {new.name}"
                yield Found(about=about, evidence=evidence, records=records)


def _moment_us(stamp: Stamp) -> int:
    """Return when an event happened, in microseconds: its ``ce_time``, or else its timestamp."""
    try:
        moment = datetime.fromisoformat(stamp.time.upper())
    except ValueError:
        return stamp.timestamp_ms * 1000
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)


def _alone(
    old: Mapping[_Twin, Stamp], new: Mapping[_Twin, Stamp], near_us: int
) -> list[tuple[str, Stamp]]:
    """Return the events of two versions that have no twin, and why they should have one."""
    found: list[tuple[str, Stamp]] = []
    left = {twin: stamp for twin, stamp in new.items() if twin not in old}
    since = max(_times(old, min), _times(new, min))
    until = min(_times(old, max), _times(new, max))
    for (key, time_us), stamp in old.items():
        if (key, time_us) in new:
            continue
        near = min(
            (each for each in left if each[0] == key and abs(each[1] - time_us) <= near_us),
            key=lambda each: abs(each[1] - time_us),
            default=None,
        )
        other = near or next((each for each in left if each[1] == time_us), None)
        if other is not None:
            apart_ms = abs(other[1] - time_us) / 1000
            what = "have other keys" if near is None else f"are {apart_ms:g} ms apart"
            found.append((f"{stamp.place} and {left.pop(other).place} {what}", stamp))
        elif since <= time_us <= until:
            found.append((f"{stamp.place} is in the old version only", stamp))
    for (_, time_us), stamp in left.items():
        if since <= time_us <= until:
            found.append((f"{stamp.place} is in the new version only", stamp))
    return found


def _times(events: Mapping[_Twin, Stamp], choose: Any) -> int:
    times: Iterable[int] = (time_us for _, time_us in events)
    return int(choose(times))
