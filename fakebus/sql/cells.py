"""Cells of a result as JSON has them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any

_JSON = "JSON"


def plain(cell: Any) -> Any:
    """Return a cell of a result as JSON has it; times are in UTC, and bytes in base64.

    Decimals are texts where a double would not hold all their digits.
    """
    if cell is None or isinstance(cell, str | int):
        return cell
    if isinstance(cell, float):
        return cell if isfinite(cell) else None
    if isinstance(cell, Decimal):
        return _number(cell)
    if isinstance(cell, Mapping):
        return {str(name): plain(inner) for name, inner in cell.items()}
    if isinstance(cell, list | tuple):
        return [plain(each) for each in cell]
    if isinstance(cell, datetime):
        exact = "microseconds" if cell.microsecond % 1000 else "milliseconds"
        return cell.isoformat(timespec=exact) + ("Z" if cell.tzinfo is None else "")
    if isinstance(cell, bytes | bytearray):
        return base64.b64encode(cell).decode()
    return str(cell)


def embedded(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a cell as :func:`plain` does, but of JSON the value instead of its text.

    Args:
        kind: the cell's type, as DuckDB describes it.
    """
    if _JSON not in str(kind):
        return plain
    if str(kind) == _JSON:
        return _value
    if kind.id in ("list", "array"):
        one = embedded(kind.children[0][1])
        return lambda cell: None if cell is None else [one(each) for each in cell]
    if kind.id == "struct":
        makers = {name: embedded(inner) for name, inner in kind.children}
        return lambda cell: (
            None if cell is None else {name: makers[name](each) for name, each in cell.items()}
        )
    if kind.id == "map":
        each_value = embedded(kind.children[1][1])
        return lambda cell: (
            None if cell is None else {str(key): each_value(each) for key, each in cell.items()}
        )
    return plain


def distinct(columns: Sequence[str]) -> Iterator[str]:
    """Yield the names of columns with none twice, as files have them: ``key``, ``key_1``."""
    used: set[str] = set()
    for column in columns:
        name, number = column, 0
        while name.lower() in used:
            number += 1
            name = f"{column}_{number}"
        used.add(name.lower())
        yield name


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(
            text,
            parse_float=lambda digits: _number(Decimal(digits)),
            # DuckDB takes NaN and Infinity for JSON, and nobody else does.
            parse_constant=lambda _: None,
        )
    except (ValueError, ArithmeticError, RecursionError):
        # Numbers of thousands of digits or beyond all measure, or nested deeper than is read here.
        return text


def _number(cell: Decimal) -> float | str | None:
    if not cell.is_finite():
        return None
    return near if Decimal(repr(near := float(cell))) == cell else str(cell)
