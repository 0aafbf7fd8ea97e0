"""Results of queries; and as text, JSON or CSV, the same on standard output and in files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TextIO

from fakebus.sql.cells import distinct, embedded, plain

PARQUET, CSV, ARRAY, LINES = FORMATS = (".parquet", ".csv", ".json", ".ndjson")
"""What a result can be written as, by the end of the file's name."""


class Result(NamedTuple):
    """Result of a query, row by row."""

    columns: list[str]
    kinds: list[Any]
    """Types of the columns, as DuckDB describes them."""
    rows: Iterator[Sequence[Any]]


def json_lines(result: Result) -> Iterator[str]:
    """Yield an object of JSON for each row."""
    columns = list(zip(distinct(result.columns), map(embedded, result.kinds), strict=True))
    for row in result.rows:
        cells = {name: made(cell) for (name, made), cell in zip(columns, row, strict=True)}
        yield json.dumps(cells, ensure_ascii=False)


def csv_lines(result: Result) -> Iterator[str]:
    """Yield the names of the columns and each row as CSV; what is no text or number is JSON."""
    written: list[str] = []
    writer = csv.writer(_Lines(written))
    writer.writerow(distinct(result.columns))
    for row in result.rows:
        yield written.pop()
        writer.writerow([cell_text(cell) for cell in map(plain, row)])
    yield written.pop()


def cell_text(cell: object) -> str | None:
    """Return a cell as text."""
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False)


class _Lines:
    """File of the CSV writer: a list of its lines."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, line: str) -> None:
        """Add a line, without its end; within it ends of lines are quoted."""
        self._lines.append(line.removesuffix("\r\n"))


def write_text(result: Result, file: TextIO, end: str) -> int:
    """Write a result as text, and return how many rows it has.

    Args:
        result: what is written.
        file: where to.
        end: of the file's name; one of :data:`FORMATS` other than Parquet.
    """
    rows = 0
    if end == ARRAY:
        file.write("[")
        for rows, line in enumerate(json_lines(result), 1):
            file.write(f"{',' if rows > 1 else ''}\n\t{line}")
        file.write("\n]\n")
        return rows
    # The first line of CSV has the names.
    lines = enumerate(csv_lines(result)) if end == CSV else enumerate(json_lines(result), 1)
    for number, line in lines:
        file.write(f"{line}\n")
        rows = number
    return rows
