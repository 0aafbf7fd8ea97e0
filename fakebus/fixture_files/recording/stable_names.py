"""Times and ids of recorded data as functions of fixture files.

A time becomes an offset from the anchor, a UUID a name: ``{"$time": "-2d"}`` and
``{"$uuid": "id-1"}``. Both give data that is alive when it is seeded, and the same text when
what was seeded is recorded again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from fakebus.fixture_files.functions import FunctionContext, expand

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}\+00:00")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROBED_AT_LEAST = 1000
_PROBED_PER_ID = 4
"""How many names of our own are tried for each id that occurs."""
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def offset_text(milliseconds: int) -> str:
    """Return a distance from the anchor as fixture files write it, such as ``-2d3h``."""
    if not milliseconds:
        return "now"
    sign, left = ("-", -milliseconds) if milliseconds < 0 else ("+", milliseconds)
    parts = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)


class StableNames:
    """Names of ids, and offsets of times, which stand for them in recordings.

    Ids that were made from names get them back: those of an earlier recording, and our own.
    So a recording that was edited and seeded is recorded as it was edited.
    """

    def __init__(self, anchor_ms: int, earlier: Iterable[str] = ()) -> None:
        self._anchor_ms = anchor_ms
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
        elif isinstance(data, str) and _UUID.fullmatch(data) and data not in self._seen:
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

    def data(self, data: object, event_ms: int) -> object:
        """Return data with functions in the place of times and ids.

        Args:
            data: of a key, value or header.
            event_ms: the record's timestamp, which is ``at``.
        """
        if isinstance(data, dict):
            return {
                # A name that begins with $ would be taken for a function.
                f"${name}" if name.startswith("$") else name: self.data(inner, event_ms)
                for name, inner in data.items()
            }
        if isinstance(data, list):
            return [self.data(item, event_ms) for item in data]
        if isinstance(data, str):
            return self._text(data, event_ms)
        return data

    def _text(self, text: str, event_ms: int) -> object:
        if _UUID.fullmatch(text):
            if text not in self._names:
                self._names[text] = next(self._free)
            return {"$uuid": self._names[text]}
        if not _ISO.fullmatch(text):
            return text
        try:
            micros = (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
        except ValueError:
            return text
        if micros % 1000:
            # Functions count milliseconds; a finer time stays as it is.
            return text
        time_ms = micros // 1000
        if time_ms == event_ms:
            return {"$time": "at"}
        return {"$time": offset_text(time_ms - self._anchor_ms)}


def _uuid_of(name: str) -> str:
    context = FunctionContext(seed=0, anchor_ms=0, zone=UTC, event_ms=0)
    return str(expand({"$uuid": name}, context))
