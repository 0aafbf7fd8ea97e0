"""Data files of earlier versions, kept as they wrote them: all that was in them is seen."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
import requests

from fakebus.app import BusThread, FakeBus
from tests.compatibility.kept import FILES, VERSIONS, settings, unpack
from torture.content import Addresses, see

SMALL = "small:0 read_committed"


@pytest.mark.clients
@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_an_earlier_version_stored_is_seen(version: int, tmp_path: Path) -> None:
    data = unpack(version, tmp_path)
    expected = json.loads(lzma.decompress((FILES / f"version-{version}.json.xz").read_bytes()))
    with BusThread(FakeBus(settings(data))) as running:
        bus = running.bus
        [redis] = bus.redis_urls
        http = bus.http_url.removeprefix("http://")
        seen = see(Addresses(bus.bootstrap_servers, http, redis.removeprefix("redis://")))
        flow = requests.get(
            f"{bus.http_url}/_fakebus/v1/flow", {"record": "small[0]@3"}, timeout=20
        ).json()
    assert {key: seen[key] for key in expected} == expected
    # What else the flow tells is by its rules, which change; the record is there either way.
    [asked] = [each for each in flow["records"] if each["record"] == "small[0]@3"]
    assert asked["timestamp_ms"] == seen[SMALL][3][1]
    # Who did what is remembered in the file since version 5.
    assert (asked["address"] == "127.0.0.1") == (version >= 5)
