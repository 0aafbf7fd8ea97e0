"""Groups as they are stored: JSON, so that a look into the data file explains it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fakebus.errors import StorageError

_VERSION = 1


def pack(group_type: str, fields: Mapping[str, Any]) -> bytes:
    """Return the snapshot of a group, with what its type has to say."""
    told = {"version": _VERSION, "type": group_type, **fields}
    return json.dumps(told, separators=(",", ":")).encode()


@contextmanager
def unpacked(group_id: str, snapshot: bytes) -> Iterator[dict[str, Any]]:
    """Give the fields of a snapshot to what makes a group of them.

    Raises:
        StorageError: the snapshot cannot be read, or no such group can be made of it.
    """
    try:
        fields = json.loads(snapshot)
        if fields["version"] != _VERSION:
            raise ValueError(f"its version is {fields['version']}")
        yield fields
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"the stored state of group {group_id} cannot be read: {error}"
        ) from error
