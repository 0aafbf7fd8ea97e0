"""The sets that a bus was seeded from, beside what the bus has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.unit.web.console.pages import Browser
from tests.unit.web.server import connect

SCHEMA = '{"type": "record", "name": "Order", "fields": [{"name": "n", "type": "int"}]}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    write_set(folder)
    return folder


def write_set(folder: Path) -> None:
    (folder / "order.avsc").write_text(SCHEMA)
    (folder / "fakebus.yaml").write_text(
        "version: 1\nsubjects: [{subject: orders-value, schema: order.avsc}]\ntopics:\n"
        "  - name: orders\n    owner: shop\n"
        "    load: {file: orders.ndjson, value: {subject: orders-value}}\n"
        "  - {name: quiet, partitions: 2}\n"
    )
    (folder / "orders.ndjson").write_text('{"value": {"n": 1}}\n{"value": {"n": 2}}\n')


@pytest.fixture(scope="module")
def bus(folder: Path) -> Iterator[FakeBus]:
    settings = Settings(data=None, kafka=(), http=(Address("127.0.0.1", 0),), fixtures=(folder,))
    with BusThread(FakeBus(settings)) as running:
        yield running.bus


@pytest.fixture
def browser(bus: FakeBus) -> Iterator[Browser]:
    connection = connect(bus)
    yield Browser(connection)
    connection.close()


def test_sets_are_told_with_topics_files_and_events(browser: Browser, folder: Path) -> None:
    write_set(folder)
    page = browser.get("/ui/fixtures")
    assert page.status == 200, page.text
    assert f"{folder} Events 2 Lock none" in page.text
    assert f" orders 1 2 {folder}/orders.ndjson shop " in page.text
    assert "/ui/topics/orders" in page.links
    assert "note: quiet on this bus has no records to compare with" in page.text
    assert "breaking" not in page.text
    assert not [form for form in page.forms if form.method == "post"], "it writes nothing"


def test_what_differs_from_the_bus_and_what_cannot_be_read_is_told(
    browser: Browser, folder: Path
) -> None:
    write_set(folder)
    text = (folder / "fakebus.yaml").read_text()
    (folder / "fakebus.yaml").write_text(text.replace("quiet", "b.later"))
    (folder / "order.avsc").write_text(SCHEMA.replace('"int"', '"string"'))
    (folder / "orders.ndjson").write_text('{"value": {"n": "1"}}\n')
    page = browser.get("/ui/fixtures")
    assert "b.later not on the bus" in page.text
    assert "breaking" in page.text
    (folder / "fakebus.yaml").write_text("version: <script>")
    page = browser.get("/ui/fixtures")
    assert page.status == 200
    assert "fakebus.yaml:1" in page.text
    assert page.runs_own_scripts_only
