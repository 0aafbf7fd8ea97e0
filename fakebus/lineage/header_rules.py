"""What records say of themselves: who they are, what they belong to, and what caused them.

Rules are lines of ``header_rules.txt``, and those that a user adds. What a rule finds is an
:class:`Identity`; ids of one kind that are equal belong together, whatever header they stood in.
Everything here was written by others: it is bounded, and what cannot be read tells nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes
from zlib import crc32

from fakebus.errors import ConfigError
from fakebus.records.record import NewRecord, Record
from fakebus.records.walk import may_have_headers
from fakebus.schemas.framing import HEADER_SIZE, framed_id
from fakebus.types import Buffer

MAX_VALUE_BYTES = 256
MAX_IDENTITIES = 16
"""Identities of one record that are kept."""
_MAX_HEADERS = 200
"""Headers of one record that are looked at."""
_MAX_JSON_BYTES = 256 * 1024
_TABLE = Path(__file__).with_name("header_rules.txt")
_HEX = re.compile(rb"[0-9a-f]{1,32}")
_DIGITS = re.compile(rb"[0-9]{1,20}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2}).*", re.DOTALL)
_ENVELOPE = b'"root_id"'
"""What stands in the value of a Celery task, as kombu writes it."""
_NOTHING = (b"", b"null", b"none", b"undefined", b"-")
"""What stands in the place of an id that there is not."""
REPLAY_OF = "fakebus-replay-of"
"""The header of a record that was written once more: the record that it was made of."""
_REQUEST_HEADER = "kafka-replytopic"
_ORIGIN_PARTS = ("origin-topic", "origin-partition", "origin-offset")
FIELD_KINDS = ("identity", "cause", "correlation", "trace", "request", "reply")
KINDS = (*FIELD_KINDS, *_ORIGIN_PARTS)


class Identity(NamedTuple):
    """Identity or cause of a record, as a header or a field of it says."""

    kind: str
    value: bytes
    rule: str
    """The header or field, as it was written."""


class HeaderRule(NamedTuple):
    """Rule about a header: what its value is."""

    name: str
    """``*`` stands for anything."""
    kind: str
    coding: str = "text"

    @property
    def key(self) -> str:
        """What no two rules of a user have in common."""
        return f"header {normalized(self.name)}"


class FieldRule(NamedTuple):
    """Rule about a field of JSON values: what it is."""

    path: str
    """JMESPath."""
    kind: str
    coding: str = "text"
    topic: str = "*"
    """The topics' names; ``*`` stands for anything."""

    @property
    def key(self) -> str:
        """What no two rules of a user have in common."""
        return f"field {self.path} of {self.topic}"


IdentityRule = HeaderRule | FieldRule


def digest_of(rules: Sequence[IdentityRule]) -> int:
    """Return what tells some rules, with those of fakebus, from others."""
    return crc32(repr((rules, default_rules())).encode())


def _hex(value: bytes) -> bytes:
    """Return a trace's id without leading zeros, since ids of 64 bits are padded by some."""
    value = value.strip().lower()
    return value.lstrip(b"0") if _HEX.fullmatch(value) else b""


def _traceparent(value: bytes) -> bytes:
    found = _TRACEPARENT.fullmatch(value.strip().lower())
    return _hex(found[1]) if found else b""


def parse_traceparent(value: bytes) -> tuple[int, int, bool] | None:
    """Return trace id, span id and whether it is sampled; ``None`` for what is no traceparent."""
    found = _TRACEPARENT.fullmatch(value.strip().lower())
    if found is None:
        return None
    trace_id, span_id, flags = (int(each, 16) for each in found.groups())
    return (trace_id, span_id, bool(flags & 1)) if trace_id and span_id else None


def _decimal(value: bytes) -> bytes:
    value = value.strip()
    return b"%x" % int(value) if _DIGITS.fullmatch(value) and int(value) else b""


def _elastic(value: bytes) -> bytes:
    # The version and the number of a field are 0 each, then come the 16 bytes of the trace's id.
    return _hex(value[2:18].hex().encode()) if len(value) >= 18 and value[:2] == b"\0\0" else b""


def _number(size: int, value: bytes) -> bytes:
    number = int.from_bytes(value, "big", signed=True) if len(value) == size else -1
    return b"%d" % number if number >= 0 else b""


def _text(value: bytes) -> bytes:
    value = value.strip()
    if len(value) > 1 and value[:1] == value[-1:] == b'"':
        # Spring's mapper writes texts as JSON unless it is told not to.
        value = value[1:-1]
    return b"" if value.lower() in _NOTHING or not value.strip(b"0-") else value


def _digits(value: bytes) -> bytes:
    value = value.strip()
    return b"%d" % int(value) if _DIGITS.fullmatch(value) else b""


CODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "text": _text,
    "bytes": lambda value: value,
    "hex": _hex,
    "dashed": lambda value: _hex(value.partition(b"-")[0]),
    "jaeger": lambda value: _hex(unquote_to_bytes(value).partition(b":")[0]),
    "decimal": _decimal,
    "digits": _digits,
    "traceparent": _traceparent,
    "elastic": _elastic,
    "int32": partial(_number, 4),
    "int64": partial(_number, 8),
}
"""How an id stands in a header's value, by name; each gives nothing for what it is not."""


def normalized(name: str) -> str:
    """Return a header's name as names are compared."""
    return name.lower().replace("_", "-")


def bounded(value: bytes) -> bytes:
    """Return an id, or the beginning and the digest of a long one, so that none are mixed up."""
    if len(value) <= MAX_VALUE_BYTES:
        return value
    return value[: MAX_VALUE_BYTES - 64] + blake2b(value, digest_size=32).hexdigest().encode()


@cache
def default_rules() -> tuple[HeaderRule, ...]:
    """Return the rules that fakebus comes with."""
    lines = (line.partition("#")[0].split() for line in _TABLE.read_text("utf-8").splitlines())
    return tuple(HeaderRule(*line) for line in lines if line)


def field_search(path: str) -> Callable[[Any], Any]:
    """Return what finds a field in data.

    Args:
        path: of the field.

    Raises:
        ConfigError: it is no JMESPath expression.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        compiled = jmespath.compile(path)
    except JMESPathError as error:
        reason = str(error).partition(", for expression:")[0]
        raise ConfigError(f"{path!r} is no JMESPath expression: {reason}") from None

    def search(data: Any) -> Any:
        try:
            return compiled.search(data)
        except JMESPathError:
            # A function that does not take what this value holds: the rule finds nothing.
            return None

    return search


class IdentityReader:
    """Reader of what records say of themselves.

    Args:
        rules: those that users add, which come before those of fakebus.
    """

    def __init__(self, rules: Sequence[IdentityRule] = ()) -> None:
        self.rules = rules
        headers = [rule for rule in (*rules, *default_rules()) if isinstance(rule, HeaderRule)]
        named = [(normalized(rule.name), rule) for rule in headers]
        self._exact: dict[str, HeaderRule] = {}
        for name, rule in named:
            self._exact.setdefault(name, rule)
        self._patterns = [(name, rule) for name, rule in named if "*" in name]
        fields = [rule for rule in rules if isinstance(rule, FieldRule)]
        self._fields = [(rule, field_search(rule.path)) for rule in fields]
        # Names come from outside: what is remembered of them is bounded.
        self._rule = lru_cache(maxsize=2048)(self._find_rule)

    def may_find(self, topic: str, batch: Buffer) -> bool:
        """Whether there may be something to find in a record batch, which is soon told."""
        if self._fields and any(fnmatchcase(topic, rule.topic) for rule, _ in self._fields):
            return True
        data = bytes(batch)
        return may_have_headers(data) or data.find(_ENVELOPE) >= 0

    def read(self, topic: str, record: Record | NewRecord) -> list[Identity]:
        """Return what a record says of itself; each thing once.

        Args:
            topic: where the record is.
            record: the record.
        """
        if not record.headers and not self._fields and not _may_be_envelope(record.value):
            return []
        found: dict[tuple[str, bytes], Identity] = {}
        origin: dict[str, dict[str, Identity]] = {}
        is_request = False
        for name, value in record.headers[:_MAX_HEADERS]:
            is_request = is_request or normalized(name[:64]) == _REQUEST_HEADER
            self._take(name, value, found, origin)
        for told, attribute in self._of_value(topic, record):
            self._take(told, attribute, found, origin)
        identities = [*_requests(found.values(), is_request=is_request), *_origins(origin.values())]
        return [
            one._replace(value=bounded(one.value), rule=one.rule[:MAX_VALUE_BYTES])
            for one in identities[:MAX_IDENTITIES]
        ]

    def _take(
        self,
        name: str | Identity,
        value: bytes | None,
        found: dict[tuple[str, bytes], Identity],
        origin: dict[str, dict[str, Identity]],
    ) -> None:
        if isinstance(name, Identity):
            found.setdefault(name[:2], name)
            return
        rule = self._rule(name) if len(name) <= MAX_VALUE_BYTES else None
        told = b"" if rule is None or not value else CODINGS[rule.coding](value)
        if rule is None or not told:
            return
        identity = Identity(rule.kind, told, name)
        if rule.kind in _ORIGIN_PARTS:
            # A record that was put aside again has them again: the last ones are of the last time.
            family = normalized(name).rpartition(rule.kind.removeprefix("origin-"))[0]
            origin.setdefault(family, {})[rule.kind] = identity
        else:
            found.setdefault((rule.kind, told), identity)

    def _find_rule(self, name: str) -> HeaderRule | None:
        name = normalized(name)
        for pattern, rule in self._patterns:
            if fnmatchcase(name, pattern):
                return rule
        return self._exact.get(name)

    def _of_value(
        self, topic: str, record: Record | NewRecord
    ) -> Iterator[tuple[str | Identity, bytes | None]]:
        value = record.value
        if not value or len(value) > _MAX_JSON_BYTES:
            return
        fields = [each for each in self._fields if fnmatchcase(topic, each[0].topic)]
        is_cloud_event = _is_structured(record)
        if not (fields or is_cloud_event or _may_be_envelope(value)):
            return
        # What a serializer with a schema writes is JSON behind the schema's id.
        start = HEADER_SIZE if fields and framed_id(value) is not None else 0
        try:
            data = json.loads(value[start:])
        except (ValueError, RecursionError):
            return
        for rule, search in fields:
            told = CODINGS[rule.coding](_scalar(search(data)))
            if told:
                yield Identity(rule.kind, told, rule.path), None
        if not isinstance(data, dict):
            return
        if is_cloud_event:
            for name, attribute in list(data.items())[:_MAX_HEADERS]:
                yield f"ce_{name}", _scalar(attribute)
        yield from _celery(data)


def _may_be_envelope(value: bytes | None) -> bool:
    # Without this look every value would have to be parsed.
    return value is not None and value[:1] == b"{" and _ENVELOPE in value[:_MAX_JSON_BYTES]


def _is_structured(record: Record | NewRecord) -> bool:
    return any(
        normalized(name) == "content-type" and value and b"application/cloudevents" in value.lower()
        for name, value in record.headers[:_MAX_HEADERS]
    )


def _celery(envelope: Mapping[str, Any]) -> Iterator[tuple[Identity, None]]:
    """Yield what the envelope of a Celery task says, as kombu writes it."""
    headers = envelope.get("headers")
    if not isinstance(headers, dict) or "task" not in headers:
        return
    for name, kind in (("id", "identity"), ("root_id", "correlation"), ("parent_id", "cause")):
        told = _scalar(headers.get(name))
        if told:
            yield Identity(kind, told, f"headers.{name}"), None


def _scalar(value: Any) -> bytes:
    if isinstance(value, str):
        return _text(value.encode("utf-8", "surrogatepass"))
    return b"%d" % value if type(value) is int and abs(value) < 1 << 64 else b""


def _requests(found: Iterable[Identity], *, is_request: bool) -> Iterator[Identity]:
    """Yield identities; the id of a reply is that of a request where a reply is asked for."""
    for one in found:
        yield one._replace(kind="request") if is_request and one.kind == "reply" else one


def _origins(families: Iterable[Mapping[str, Identity]]) -> Iterator[Identity]:
    for parts in families:
        if len(parts) == len(_ORIGIN_PARTS):
            topic, partition, offset = (parts[part] for part in _ORIGIN_PARTS)
            place = b"%s[%s]@%s" % (topic.value, partition.value, offset.value)
            yield Identity("origin", place, topic.rule)
