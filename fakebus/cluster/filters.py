"""Expressions that choose records, as in ``value.total > 100 and key contains "eu-"``.

Nothing is evaluated by Python: an expression is fields, values and these operators, and can only
be true or false. What they cannot say, ``where`` says in JMESPath: ``where 'length(value.items)'``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from fakebus.cluster.events import Event
from fakebus.errors import ConfigError
from fakebus.fixture_files.times import LATEST_MS, to_datetime

FILTER_HELP = (
    "fields (key, value.user.id, value.items[0], headers.ce_type, topic, partition, offset, at), "
    "texts in quotes, numbers, true, false, null; = != < <= > >= contains; and, or, not, (); "
    "where and JMESPath in quotes"
)
_JOINING = ("and", "or", "not", "contains", "where")
_MOST_NESTED = 50
_SHOWN_LETTERS = 100
_MOST_DIGITS = 300
MOST_DECODED = 4 << 20
"""Bytes of a key or value that are decoded; of larger ones filters see their beginning as text."""
_LATIN = [chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in range(256)]
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>"(?:[^"\\]|\\.)*"|'[^']*')
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<word>[^\W\d][\w-]*(?:\.[\w$-]+|\[\d+\]|\["[^"]*"\])*)
    |(?P<mark>==|!=|<=|>=|[=<>()])
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"\.([\w$-]+)|\[(\d+)\]|\[\"([^\"]*)\"\]")
_WORDS = {"true": True, "false": False, "null": None}

Fields = Mapping[str, Any]
Test = Callable[[Fields], Any]


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class EventFields(Mapping[str, Any]):
    """Fields of a record as filters see them, each made when it is asked for.

    Args:
        event: the record.
    """

    def __init__(self, event: Event) -> None:
        self._event = event
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return a field; bytes that are no text with escapes, headers by name."""
        if name not in self._made:
            self._made[name] = _FIELDS[name](self._event)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(_FIELDS)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(_FIELDS)


def instant(timestamp_ms: int) -> str | None:
    """Return a timestamp in ISO 8601, in UTC; ``None`` for none and after the year 9999."""
    if not 0 <= timestamp_ms <= LATEST_MS:
        return None
    return to_datetime(timestamp_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bytes_as_text(data: bytes) -> str:
    r"""Return bytes as text; with escapes such as ``\x00`` if they are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join([_LATIN[byte] for byte in data])


def _payload(event: Event, *, is_key: bool) -> Any:
    data = event.key if is_key else event.value
    if data is not None and len(data) > MOST_DECODED:
        return bytes_as_text(data[:MOST_DECODED])
    found = (event.key_payload if is_key else event.payload).data
    return bytes_as_text(found) if isinstance(found, bytes) else found


_FIELDS: Mapping[str, Callable[[Event], Any]] = {
    "key": lambda event: _payload(event, is_key=True),
    "value": lambda event: _payload(event, is_key=False),
    "headers": lambda event: {
        name: data if data is None else bytes_as_text(data) for name, data in event.headers
    },
    "topic": lambda event: event.topic,
    "partition": lambda event: event.partition,
    "offset": lambda event: event.offset,
    "at": lambda event: instant(event.timestamp_ms),
}
ROOTS = tuple(_FIELDS)


def event_filter(text: str) -> Callable[[Event], bool]:
    """Return whether an event is wanted; see :func:`parse_filter`."""
    test = parse_filter(text)
    return lambda event: test(EventFields(event))


def parse_filter(text: str, name: str = "filter") -> Callable[[Fields], bool]:
    """Return whether a record is wanted, as a function of its fields.

    Args:
        text: as ``FILTER_HELP`` says.
        name: what it is called, for messages.

    Raises:
        ConfigError: it is no expression; the message names the column.
    """
    test = _Parser(text, name).whole()
    # A field alone holds if it is there and not null, false, 0 or empty.
    return lambda fields: bool(test(fields))


class _Parser:
    """Parser of one expression, by recursive descent."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._tokens = self._cut()
        self._at = 0

    def _cut(self) -> list[_Token]:
        found, at = [], 0
        end = len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                self._refuse(f"{self._text[at]!r} cannot stand here", at + 1)
            kind = str(match.lastgroup)
            found.append(_Token(kind, match[kind], match.start(kind) + 1))
            at = match.end()
        return [*found, _Token("end", "", end + 1)]

    def _refuse(self, reason: str, column: int | None = None) -> NoReturn:
        """Raise what is wrong at a column, or else at the next token."""
        at = self._tokens[self._at].column if column is None else column
        raise ConfigError(f"{self._name}, column {at}: {reason}; an expression has {FILTER_HELP}")

    def _take(self, *texts: str) -> str | None:
        """Read the next token if it is one of these words or marks."""
        token = self._tokens[self._at]
        if token.kind in ("word", "mark") and token.text in texts:
            self._at += 1
            return token.text
        return None

    def whole(self) -> Test:
        """Read everything."""
        test = self._either(0)
        if self._tokens[self._at].kind != "end":
            self._refuse("and or or is missing here")
        return test

    def _either(self, depth: int) -> Test:
        parts = [self._both(depth)]
        while self._take("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda fields: any(part(fields) for part in parts)

    def _both(self, depth: int) -> Test:
        parts = [self._single(depth)]
        while self._take("and"):
            parts.append(self._single(depth))
        return parts[0] if len(parts) == 1 else lambda fields: all(part(fields) for part in parts)

    def _single(self, depth: int) -> Test:
        if depth > _MOST_NESTED:
            self._refuse("this is nested too deeply")
        if self._take("not"):
            negated = self._single(depth + 1)
            return lambda fields: not negated(fields)
        if self._take("("):
            inner = self._either(depth + 1)
            if not self._take(")"):
                self._refuse("a closing bracket is missing")
            return inner
        if self._take("where"):
            return self._where()
        left = self._operand()
        operator = self._take(*_OPERATORS)
        if operator is None:
            return left
        compare, right = _OPERATORS[operator], self._operand()
        return lambda fields: compare(left(fields), right(fields))

    def _where(self) -> Test:
        token = self._tokens[self._at]
        if token.kind != "text":
            self._refuse("JMESPath in quotes is missing behind where")
        self._at += 1
        # Few filters have it, and the command line need not wait for it.
        from fakebus.cluster.jmespath_tests import jmespath_test

        try:
            return jmespath_test(self._string(token), ROOTS)
        except ValueError as error:
            self._refuse(str(error), token.column)

    def _operand(self) -> Test:
        token = self._tokens[self._at]
        if token.kind == "end":
            self._refuse("a field or a value is missing")
        self._at += 1
        if token.kind == "number":
            is_whole = token.text.lstrip("-").isdigit() and len(token.text) < _MOST_DIGITS
            number = int(token.text) if is_whole else float(token.text)
            return lambda _: number
        if token.kind == "text":
            text = self._string(token)
            return lambda _: text
        if token.kind == "word" and token.text in _WORDS:
            return lambda _: _WORDS[token.text]
        if token.kind == "word" and token.text not in _JOINING:
            return self._field(token)
        self._refuse(f"a field or a value is missing before {token.text!r}", token.column)

    def _string(self, token: _Token) -> str:
        if token.text[0] == "'":
            return token.text[1:-1]
        try:
            return str(json.loads(token.text))
        except ValueError:
            self._refuse("this is no text in JSON's quotes", token.column)

    def _field(self, token: _Token) -> Test:
        root = re.split(r"[.\[]", token.text)[0]
        if root not in ROOTS:
            near = get_close_matches(root, ROOTS, 1)
            meant = near[0] + token.text[len(root) :] if near else f"value.{token.text}"
            shown = root[:_SHOWN_LETTERS], meant[:_SHOWN_LETTERS]
            self._refuse("there is no field {!r}; did you mean {}?".format(*shown), token.column)
        steps = [
            int(index) if index and len(index) < _MOST_DIGITS else index or name or quoted
            for name, index, quoted in _STEP.findall(token.text[len(root) :])
        ]
        return lambda fields: _at(fields.get(root), steps)


def _at(data: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        if isinstance(data, dict) and str(step) in data:
            data = data[str(step)]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        both = (left, right)
        numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in both)
        return (numbers or all(isinstance(each, str) for each in both)) and compare(left, right)

    return test


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return isinstance(left, list | dict) and any(_equal(each, right) for each in left)


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": _equal,
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "contains": _contains,
}
