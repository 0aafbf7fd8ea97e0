"""Files that users name: read within bounds, whatever a path leads to."""

from __future__ import annotations

from pathlib import Path


def read_at_most(path: Path, most: int) -> bytes:
    """Return the content of a file, a pipe or a device, which may have no end.

    Args:
        path: the file; what a shell makes of ``<(command)`` is one.
        most: bytes that it may have.

    Raises:
        OSError: it cannot be read.
        ValueError: it has more bytes.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most} bytes")
    return data


def read_text_at_most(path: Path, most: int, encoding: str = "utf-8") -> str:
    """Return the text of a file; see :func:`read_at_most`.

    Raises:
        OSError: it cannot be read.
        ValueError: it has more bytes, or others than the encoding has.
    """
    return read_at_most(path, most).decode(encoding)
