"""CSV: a row of column names, then one event a row.

Columns: ``key``; ``value``, or ``value.NAME`` for each field of it; ``headers.NAME``; and
``topic``, ``partition``, ``at``, ``after`` and ``id`` as in NDJSON. A cell of a value is JSON if it
can be read as JSON, else a text. An empty cell is left out; without any value the event is a
tombstone.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from fakebus.fixture_files.functions import MAX_DEPTH
from fakebus.fixture_files.inputs.input import Input, InputMistake, Reading, event, payload
from fakebus.fixture_files.problems import DataError, did_you_mean, quoted

_PLAIN = ("topic", "at", "after", "id")
_COLUMNS = ("key", "value", "partition", *_PLAIN)


def _read(text: str, names_topics: bool) -> Reading:
    rows = _rows(text)
    first = next(rows, None)
    if first is None or isinstance(first, InputMistake):
        yield from () if first is None else (first,)
        return
    line, names = first
    mistakes = list(_column_mistakes(line, names))
    yield from mistakes
    if mistakes:
        return
    for row in rows:
        if isinstance(row, InputMistake):
            yield row
            continue
        line, cells = row
        if len(cells) != len(names):
            yield InputMistake(
                line=line,
                message=f"the row has {len(cells)} cells, but there are {len(names)} columns",
                hint="put quotes around a cell that holds a comma",
            )
            continue
        yield event(line, _fields, dict(zip(names, cells, strict=True)))


def _rows(text: str) -> Iterator[tuple[int, list[str]] | InputMistake]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            hint = "double the quotes in a cell"
            if "field limit" in str(error):
                hint = "close the quotes of the cell, or write events that are so long as NDJSON"
            yield InputMistake(line=line, message=f"this is not CSV: {error}", hint=hint)
            return
        if cells is None:
            return
        if cells:
            yield line, cells


def _column_mistakes(line: int, names: list[str]) -> Iterator[InputMistake]:
    for name in dict.fromkeys(names):
        message, hint = "", ""
        group, dot, rest = name.partition(".")
        if names.count(name) > 1:
            message, hint = f"the column {quoted(name)} stands twice", "remove one"
        elif name not in _COLUMNS and not (dot and rest and group in ("value", "headers")):
            message = f"there is no column {quoted(name)}"
            hint = did_you_mean(name, (*_COLUMNS, "value.NAME", "headers.NAME"))
        elif rest.count(".") >= MAX_DEPTH:
            message = f"the column {quoted(name)} has more than {MAX_DEPTH} parts"
            hint = "write events that are so deep as NDJSON"
        elif group == "value" and dot and "value" in names:
            message = 'the columns "value" and "value.NAME" exclude each other'
            hint = "remove one kind"
        if message:
            yield InputMistake(line=line, message=message, hint=hint)


def _fields(cells: dict[str, str]) -> dict[str, Any]:
    filled = {name: cell for name, cell in cells.items() if cell}
    fields: dict[str, Any] = {name: filled[name] for name in _PLAIN if name in filled}
    if "key" in filled:
        fields["key"] = payload(filled["key"])
    if "partition" in filled:
        fields["partition"] = _partition(filled["partition"])
    headers = [
        [name.removeprefix("headers."), cell]
        for name, cell in filled.items()
        if name.startswith("headers.")
    ]
    if headers:
        fields["headers"] = headers
    fields["value"] = payload(_value(filled))
    return fields


def _value(filled: dict[str, str]) -> object:
    if "value" in filled:
        return _cell(filled["value"])
    value: dict[str, Any] = {}
    for name, cell in filled.items():
        if not name.startswith("value."):
            continue
        *path, last = name.removeprefix("value.").split(".")
        inner = value
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise DataError(f"{name} is within a cell that is filled as well", "empty one")
        if last in inner:
            raise DataError(f"{name} has fields that are filled as well", "empty one")
        inner[last] = _cell(cell)
    return value or None


def _cell(text: str) -> object:
    try:
        value: object = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


def _partition(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    raise DataError(f"the partition {quoted(text)} is not a number", "write 0, or leave it empty")


CSV = Input(name="csv", suffixes=(".csv",), read=_read, has_mark=True)
