"""Fixture sets of earlier format versions: what they seed stays the same."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.config import Settings
from torture.content import Addresses, see_registry, see_topics

SETS = Path(__file__).parent / "fixtures"
ANY_PORT = (Address("127.0.0.1", 0),)


@pytest.mark.clients
def test_a_set_of_format_version_1_seeds_what_it_always_has() -> None:
    fixtures = SETS / "version-1"
    settings = Settings(data=None, fixtures=(fixtures,), kafka=ANY_PORT, http=ANY_PORT)
    with BusThread(FakeBus(settings)) as running:
        http = running.bus.http_url.removeprefix("http://")
        bus = Addresses(running.bus.bootstrap_servers, http, "")
        seen = json.loads(json.dumps(see_topics(bus) | see_registry(bus)))
    for schema in seen["/schemas?deleted=true"]:
        del schema["ts"]  # when it was seeded
    assert seen == json.loads((SETS / "version-1.json").read_text())


def test_a_set_of_a_later_format_version_is_refused_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = tmp_path / "later"
    shutil.copytree(SETS / "version-1", later)
    text = (later / "fakebus.yaml").read_text()
    (later / "fakebus.yaml").write_text(text.replace("version: 1", "version: 2"))
    assert run(["fixtures", "check", str(later)]) == 1
    assert re.search(r"fakebus\.yaml:2:\d+: .*version", capsys.readouterr().out)
