from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakebus.storage.sqlite import SqliteStorage


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


@pytest.fixture(params=["memory", "file"])
async def storage(request: pytest.FixtureRequest, data_file: Path) -> AsyncIterator[SqliteStorage]:
    path = data_file if request.param == "file" else None
    opened = await SqliteStorage.open(path, durable=False)
    yield opened
    await opened.close()


@pytest.fixture
async def file_storage(data_file: Path) -> AsyncIterator[SqliteStorage]:
    opened = await SqliteStorage.open(data_file, durable=False)
    yield opened
    await opened.close()
