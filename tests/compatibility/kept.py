"""Data files that earlier versions wrote, as they were."""

from __future__ import annotations

import lzma
from pathlib import Path

from fakebus.addresses import Address
from fakebus.config import Settings

FILES = Path(__file__).parent / "files"
VERSIONS = sorted(int(path.name.split(".")[0].split("-")[1]) for path in FILES.glob("*.db.xz"))
ANY_PORT = (Address("127.0.0.1", 0),)


def unpack(version: int, directory: Path) -> Path:
    data = directory / "bus.db"
    data.write_bytes(lzma.decompress((FILES / f"version-{version}.db.xz").read_bytes()))
    return data


def settings(data: Path) -> Settings:
    return Settings(data=data, kafka=ANY_PORT, http=ANY_PORT, redis=ANY_PORT)
