from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.unit.fixture_files.packages import Install, install

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


@pytest.fixture
def install_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install distributions with sets, which the machine forgets after the test."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    return partial(install, site)
