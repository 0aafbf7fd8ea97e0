"""The file that tells scripts that a bus is ready, and where."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from fakebus.output_files import OutputRefusedError, remove_output, write_output

_MADE_BY = "fakebus up --ready-file"


class ReadyFile:
    """File that is there while a bus is ready.

    Args:
        path: where; there is none when left out.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._content: bytes | None = None

    def remove_stale(self) -> None:
        """Remove one that a killed process has left behind, which would be believed.

        Raises:
            OutputRefusedError: something else lies there.
        """
        if self._path is not None:
            remove_output(self._path, is_ours=_is_ready_file, made_by=_MADE_BY)

    def write(self, content: Mapping[str, object]) -> None:
        """Write the file; no reader sees a part of it.

        Raises:
            OutputRefusedError: something else lies there.
        """
        if self._path is not None:
            data = json.dumps(content).encode() + b"\n"
            write_output(self._path, data, is_ours=_is_ready_file, made_by=_MADE_BY)
            self._content = data

    def remove(self) -> None:
        """Remove what was written; another bus may have written its own there, which stays."""
        content, self._content = self._content, None
        if self._path is not None and content is not None:
            with contextlib.suppress(OutputRefusedError):
                remove_output(self._path, is_ours=content.__eq__, made_by=_MADE_BY)


def _is_ready_file(content: bytes) -> bool:
    try:
        written = json.loads(content)
    except ValueError:
        return False
    return isinstance(written, dict) and {"pid", "bootstrap_servers", "http_url"} <= written.keys()
