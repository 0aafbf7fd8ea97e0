"""Whole numbers in tables and files: of 64 bits with a sign wherever they fit, and never rounded.

The engine takes numbers that are not negative for unsigned ones, so that ``1 - 2`` overflows, and
those of both kinds, as sums, for ones of 128 bits, which Parquet files get as doubles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakebus.sql.names import identifier

SIGNED = "BIGINT"
LARGE = "HUGEINT"
"""What takes all that the engine finds."""
_OF_JSON = frozenset({"UBIGINT", "BIGINT", "HUGEINT", "UHUGEINT"})
_OF_128_BITS = frozenset({"hugeint", "uhugeint"})
DECIMAL = "DECIMAL(38, 0)"
"""What files have that hold no whole numbers of more than 64 bits; more digits are an error."""


def column_type(structure: Any, whole: str) -> str:
    """Return the type of a column.

    Args:
        structure: of its values, as ``json_transform`` takes it.
        whole: the type of whole numbers in it.
    """
    if isinstance(structure, Mapping):
        fields = (
            f"{identifier(name)} {column_type(inner, whole)}" for name, inner in structure.items()
        )
        return f"STRUCT({', '.join(fields)})"
    if isinstance(structure, list):
        return f"{column_type(structure[0], whole)}[]"
    return whole if structure in _OF_JSON else str(structure)


def file_type(kind: Any, whole: str) -> str:
    """Return the type that a column has in a file.

    Args:
        kind: its type in a result, as DuckDB describes it.
        whole: what stands for whole numbers of 128 bits.
    """
    if kind.id in _OF_128_BITS:
        return whole
    if kind.id == "struct":
        fields = (f"{identifier(name)} {file_type(inner, whole)}" for name, inner in kind.children)
        return f"STRUCT({', '.join(fields)})"
    if kind.id == "map":
        key, value = (file_type(inner, whole) for _, inner in kind.children)
        return f"MAP({key}, {value})"
    if kind.id in ("list", "array"):
        (_, inner), *size = kind.children
        return f"{file_type(inner, whole)}[{''.join(str(number) for _, number in size)}]"
    return str(kind)
