"""Record headers as fixture files write them.

Either a list of ``[name, value]`` pairs, which keeps order and duplicates, or an object.
A value is a text, ``null``, a ``$`` call, or ``{"type": ..., "data": ...}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fakebus.fixture_files.formats.format import kind_of_json
from fakebus.fixture_files.formats.format_names import format_named
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.problems import DataError, quoted

_SHAPE_HINT = 'write [["name", "value"], ...] or {"name": "value"}'
_VALUE_HINT = 'write a text, null, {"type": "binary", "data": "AAEC"} or a $ function'

_PAIR = {"type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [{"type": "string"}]}
HEADERS_SCHEMA = {
    "oneOf": [{"type": "object"}, {"type": "array", "items": _PAIR}, {"type": "null"}]
}
"""The JSON Schema of the shape; what the values may be is found out later."""

RecordHeader = tuple[str, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Headers whose ``$`` calls are not made yet."""

    pairs: tuple[tuple[str, object], ...] = ()
    """Names and values as they are written, or bytes that are ready."""

    @property
    def has_calls(self) -> bool:
        """Whether the headers may differ from record to record."""
        return any([type(value) is dict for _, value in self.pairs])

    def encode(self, context: FunctionContext) -> tuple[RecordHeader, ...]:
        """Return the headers of one record.

        Raises:
            DataError: a value cannot be a header.
        """
        # What is ready is the same object in many records.
        found: list[Any] = [
            pair
            if type(pair[1]) is bytes
            else _text_header(*pair)
            if type(pair[1]) is str
            else (pair[0], _encode_value(*pair, context))
            for pair in self.pairs
        ]
        return tuple(found)

    def ready(self) -> Headers:
        """Return the same headers for many records: what is plain text is encoded already."""
        pairs = [
            (name, value.encode() if isinstance(value, str) and value.isascii() else value)
            for name, value in self.pairs
        ]
        return Headers(pairs=tuple(pairs))

    def over(self, defaults: Headers) -> Headers:
        """Return these headers behind those defaults whose names they do not have."""
        if not defaults.pairs:
            return self
        own = {name for name, _ in self.pairs}
        kept = tuple(pair for pair in defaults.pairs if pair[0] not in own)
        return Headers(pairs=kept + self.pairs)


def parse_headers(data: object) -> Headers:
    """Return headers from the plain values of JSON or YAML.

    Raises:
        DataError: the shape is wrong.
    """
    if data is None:
        return Headers()
    if isinstance(data, dict):
        pairs = tuple(data.items())
    elif isinstance(data, list):
        pairs = tuple(_pair(item) for item in data)
    else:
        raise DataError(
            f'"headers" must be a list or an object, not {kind_of_json(data)}', _SHAPE_HINT
        )
    for name, _ in pairs:
        _check_name(name)
    return Headers(pairs=pairs)


def _pair(item: object) -> tuple[str, object]:
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
        raise DataError("a header in a list must be a pair of name and value", _SHAPE_HINT)
    return item[0], item[1]


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError("a header's name holds half of a surrogate pair") from None


# Most headers say the same in all events of a file.
@lru_cache(maxsize=4096)
def _text_header(name: str, value: str) -> RecordHeader:
    try:
        return name, value.encode()
    except UnicodeEncodeError:
        raise DataError(f"the header {quoted(name)} holds half of a surrogate pair") from None


def _encode_value(name: str, value: object, context: FunctionContext) -> bytes | None:
    try:
        if isinstance(value, dict):
            if "data" in value and value.keys() <= {"type", "data"}:
                return _encode_typed(value, context)
            value = expand(value, context)
            if isinstance(value, int):
                value = str(value)
        if isinstance(value, str):
            return value.encode()
    except UnicodeEncodeError:
        raise DataError(f"the header {quoted(name)} holds half of a surrogate pair") from None
    except DataError as error:
        raise DataError(f"the header {quoted(name)}: {error}", error.hint) from None
    if value is None:
        return None
    raise DataError(
        f"the header {quoted(name)} must be a text, not {kind_of_json(value)}", _VALUE_HINT
    )


def _encode_typed(value: dict[str, object], context: FunctionContext) -> bytes | None:
    type_name = value.get("type", "string")
    if not isinstance(type_name, str):
        raise DataError(f'"type" must be a text, not {kind_of_json(type_name)}')
    data = expand(value["data"], context)
    format_ = format_named(type_name)
    return None if data is None else format_.encode(data)
