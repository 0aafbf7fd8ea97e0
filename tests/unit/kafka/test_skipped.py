"""No API of Kafka is left out in silence: it is served, or docs/skipped.md says why not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fakebus.kafka.served import SERVED
from fakebus.protocol.api_keys import ApiKey
from tools import compatibility

CHECKOUT = Path(__file__).parents[3]
SKIPPED = CHECKOUT / "docs" / "skipped.md"
APIS = CHECKOUT / "tools" / "kafka" / "apis.txt"
KAFKAS_APIS = {
    int(key): (int(oldest), int(newest))
    for key, _, oldest, newest in (
        line.split() for line in APIS.read_text(encoding="utf-8").splitlines() if line[0] != "#"
    )
}
"""What a broker of Kafka 4.3 advertises: API keys with their oldest and newest versions."""
ONLY_OLD = {"Fetch", "ListOffsets", "OffsetCommit"}
"""APIs of which only old versions are listed."""
OURS = {int(key): (api.advertised_min_version, api.max_version) for key, api in SERVED.items()}


def name_of(key: int) -> str:
    return ApiKey(key).name.title().replace("_", "")


@pytest.fixture(scope="module")
def rows() -> dict[str, str]:
    """What happens, by each word of the first column."""
    table = [line.split("|") for line in SKIPPED.read_text(encoding="utf-8").splitlines()]
    return {
        word.strip(",:;"): cells[2]
        for cells in table
        if len(cells) > 2
        for word in cells[1].split()
    }


@pytest.mark.parametrize("key", KAFKAS_APIS)
def test_an_api_of_kafkas_is_served_or_listed_as_skipped(key: int, rows: dict[str, str]) -> None:
    listed = "not advertised" in rows.get(name_of(key), "") and name_of(key) not in ONLY_OLD
    assert (key in OURS) is not listed, name_of(key)


def test_what_is_served_is_served_in_all_versions_of_kafkas() -> None:
    # Version 6 of InitProducerId is for two-phase commit, which Kafka does not advertise yet.
    assert {key: versions for key, versions in OURS.items() if versions != KAFKAS_APIS[key]} == {}


def test_each_api_that_is_served_is_asked_of_kafka_too() -> None:
    assert {key.name for key in SERVED} - compatibility.compared_apis() == set()


def test_the_page_of_compatibility_is_current() -> None:
    tool = CHECKOUT / "tools" / "compatibility.py"
    check = subprocess.run([sys.executable, str(tool), "--check"], cwd=CHECKOUT, check=False)
    assert check.returncode == 0, "run: python tools/compatibility.py"
