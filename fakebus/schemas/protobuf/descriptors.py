"""What protobuf tells of a field, asked so that every version from 5 on has an answer."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor


def is_repeated(field: FieldDescriptor) -> bool:
    """Return whether a field holds several values, maps included."""
    if hasattr(field, "is_repeated"):
        return field.is_repeated
    # Before 6.31; 7 has no labels any more, and the types are those of 7.
    old: Any = field
    return bool(old.label == old.LABEL_REPEATED)


def is_map(field: FieldDescriptor) -> bool:
    """Return whether a field is a ``map<…>``, which is a list of entries for protoc."""
    entry = field.message_type
    return entry is not None and entry.GetOptions().map_entry
