"""Templates of bytes with times in them, which are filled in much faster than data is encoded.

How a format writes a time is not known here but found out: the data is encoded with a time moved,
and if the bytes differ just as one of the known ways to write times says, it is that one. A
template that does not give the same bytes as the format at several other times is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from fakebus.fixture_files.functions import FunctionContext, expand, moment_of, written_time
from fakebus.fixture_files.time_forms import EPOCH_UNITS
from fakebus.fixture_files.times import DAY_NS

Template = list[bytes | list[str]]
"""Bytes as they are, and between them pairs: what ``$time`` says, and the way to write it."""
_MOVED_NS = DAY_NS + 3_661_001_001_001
"""By so much that every form of a time is another one."""
_TRIED_MS = (-86_399_999, 40_000_001, 4_000_000_123)
_TEXT = "text "
_CUT = " cut to "
"""Followed by the nanoseconds that the form of a time is as fine as."""


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _zigzag(size: int, ns: int) -> bytes:
    return _varint(ns // size * 2)


def _plain(size: int, ns: int) -> bytes:
    return _varint(ns // size)


def _of_day(size: int, ns: int) -> bytes:
    return _zigzag(size, ns % DAY_NS)


_UNITS = {**EPOCH_UNITS, "days": DAY_NS}
# Avro's, Protobuf's, and Avro's times of day.
_KINDS = {"zigzag": _zigzag, "plain": _plain, "of day": _of_day}
_NUMBERS: Mapping[str, Callable[[int], bytes]] = {
    f"{kind} {unit}": partial(write, size)
    for kind, write in _KINDS.items()
    for unit, size in _UNITS.items()
}
_STEPS = (*(10**digits for digits in range(1, 10)), 60 * 10**9, DAY_NS)


def _written(way: str, ns: int) -> bytes:
    if way.startswith(_TEXT):
        return str(written_time(way.removeprefix(_TEXT), ns)).encode()
    way, _, step = way.partition(_CUT)
    return _NUMBERS[way](ns - ns % int(step or 1))


def filled_in(template: Template, context: FunctionContext) -> bytes:
    """Return the bytes of a template at the time of a context."""
    return b"".join(
        part if isinstance(part, bytes) else _written(part[1], moment_of(part[0], context))
        for part in template
    )


def template_of(
    data: object, encode: Callable[[object], bytes | None], context: FunctionContext
) -> Template | None:
    """Return the template of data with calls of ``$time``; ``None`` if there is none.

    Args:
        data: with no other calls.
        encode: writes data without calls.
        context: any.
    """
    calls = list(_calls(data))
    moments = [moment_of(str(call["$time"]), context) for call in calls]
    forms = [str(call.get("as", "iso")) for call in calls]
    encoded = _encoded(data, forms, moments, encode)
    spans = []
    for index, (call, form) in enumerate(zip(calls, forms, strict=True)):
        moved = [ns + _MOVED_NS * (index == at) for at, ns in enumerate(moments)]
        other = _encoded(data, forms, moved, encode)
        span = _span(encoded, other, moments[index], form)
        if span is None:
            return None
        spans.append((*span, str(call["$time"])))
    template: Template = []
    end = 0
    for start, length, way, time in sorted(spans):
        if start < end:
            return None
        template += [encoded[end:start], [time, way]]
        end = start + length
    template.append(encoded[end:])
    for later_ms in _TRIED_MS:
        tried = context._replace(
            anchor_ms=context.anchor_ms + later_ms, event_ms=context.event_ms + later_ms
        )
        if filled_in(template, tried) != encode(expand(data, tried)):
            return None
    return template


def _calls(data: object) -> Iterator[dict[str, object]]:
    if isinstance(data, dict):
        if "$time" in data:
            yield data
        else:
            yield from itertools.chain.from_iterable(map(_calls, data.values()))
    elif isinstance(data, list):
        yield from itertools.chain.from_iterable(map(_calls, data))


def _encoded(
    data: object,
    forms: Sequence[str],
    moments: Sequence[int],
    encode: Callable[[object], bytes | None],
) -> bytes:
    texts = iter([written_time(form, ns) for form, ns in zip(forms, moments, strict=True)])

    def told(inner: object) -> object:
        if isinstance(inner, dict):
            if "$time" in inner:
                return next(texts)
            return {name.removeprefix("$"): told(item) for name, item in inner.items()}
        return [told(item) for item in inner] if isinstance(inner, list) else inner

    return encode(told(data)) or b""


def _span(encoded: bytes, other: bytes, ns: int, form: str) -> tuple[int, int, str] | None:
    """Return where a time stands and how it is written, from what differs when it has moved."""
    first = next((at for at, (a, b) in enumerate(zip(encoded, other, strict=False)) if a != b), 0)
    cut = (f"{way}{_CUT}{step}" for step in _STEPS for way in _NUMBERS)
    for way in (_TEXT + form, *_NUMBERS, *cut):
        here, there = _written(way, ns), _written(way, ns + _MOVED_NS)
        for start in range(max(0, first - len(here)), first + 1):
            end = start + len(here)
            if encoded[start:end] == here and encoded[:start] + there + encoded[end:] == other:
                return start, len(here), way
    return None
