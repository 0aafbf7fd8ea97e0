from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

WriteSet = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def write_set(tmp_path: Path) -> WriteSet:
    """Write files into a fixture directory and return it."""
    root = tmp_path / "set"

    def write(files: Mapping[str, str | bytes]) -> Path:
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return write
