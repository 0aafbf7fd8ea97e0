"""Times and ids of recorded data as functions of fixture files.

A time becomes an offset from the anchor, a UUID a name: ``{"$time": "-2d"}`` and
``{"$uuid": "id-1"}``. Both give data that is alive when it is seeded, and the same text when
what was seeded is recorded again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC
from itertools import count

from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.recording.field_names import field_names
from fakebus.fixture_files.recording.relative_times import RelativeTimes

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Those that ``$uuid`` writes: in small letters."""
_PROBED_AT_LEAST = 1000
_PROBED_PER_ID = 4
"""How many names of our own are tried for each id that occurs."""


class StableNames:
    """Names of ids, and offsets of times, which stand for them in recordings.

    Ids that were made from names get them back: those of an earlier recording, and our own.
    So a recording that was edited and seeded is recorded as it was edited.
    """

    def __init__(self, anchor_ms: int, earlier: Iterable[str] = ()) -> None:
        self._times = RelativeTimes(anchor_ms)
        self._names: dict[str, str] = {}
        self._made_from = {_uuid_of(name): name for name in earlier}
        self._probed = 0
        self._seen: set[str] = set()
        self._taken: set[str] = set()
        self._free = (name for n in count(1) if (name := f"id-{n}") not in self._taken)

    def expect(self, data: object) -> None:
        """Look for ids that have names, so that no other id is given one of these."""
        if isinstance(data, dict):
            for inner in data.values():
                self.expect(inner)
        elif isinstance(data, list):
            for inner in data:
                self.expect(inner)
        elif isinstance(data, str) and UUID.fullmatch(data) and data not in self._seen:
            self._seen.add(data)
            # An edited recording may have lost most of its ids, so that numbers run ahead.
            while self._probed < len(self._seen) * _PROBED_PER_ID + _PROBED_AT_LEAST:
                self._probed += 1
                name = f"id-{self._probed}"
                self._made_from.setdefault(_uuid_of(name), name)
            name_before = self._made_from.get(data)
            if name_before is not None:
                self._names[data] = name_before
                self._taken.add(name_before)

    def data(
        self, data: object, event_ms: int, *, name: str = "", time_of_day: bool = False
    ) -> object:
        """Return data with functions in the place of times and ids.

        Args:
            data: of a key, value or header.
            event_ms: the record's timestamp, which is ``at``.
            name: the field or header that holds the data.
            time_of_day: whether texts such as ``23:59:59`` are times as well.
        """
        if isinstance(data, dict):
            return {
                # A name that begins with $ would be taken for a function.
                f"${inner}" if inner.startswith("$") else inner: self.data(
                    item,
                    event_ms,
                    name=next(field_names((name, inner)), ""),
                    time_of_day=time_of_day,
                )
                for inner, item in data.items()
            }
        if isinstance(data, list):
            return [self.data(item, event_ms, name=name, time_of_day=time_of_day) for item in data]
        if isinstance(data, int | float):
            return self._times.number(data, name, event_ms)
        if not isinstance(data, str):
            return data
        if UUID.fullmatch(data):
            if data not in self._names:
                self._names[data] = next(self._free)
            return {"$uuid": self._names[data]}
        return self._times.text(data, name, event_ms, time_of_day=time_of_day)


def _uuid_of(name: str) -> str:
    context = FunctionContext(seed=0, anchor_ms=0, zone=UTC, event_ms=0)
    return str(expand({"$uuid": name}, context))
