"""What a change breaks, asked of a bus that real clients have read from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from confluent_kafka import Consumer, TopicPartition

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.cli.main import run
from fakebus.config import Settings
from tests.unit.catalogue.test_impact import FILES

pytestmark = pytest.mark.clients
ANY_PORT = (Address("127.0.0.1", 0),)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("impact")
    (found / "set").mkdir()
    for name, text in FILES.items():
        (found / name).write_text(text)
    return found


@pytest.fixture(scope="module")
def bus(root: Path) -> Iterator[FakeBus]:
    settings = Settings(fixtures=(root / "set",), kafka=ANY_PORT, http=ANY_PORT, data=None)
    with FakeBus.thread(settings) as running:
        for group in ("watching", "billing"):
            consumer = Consumer({"bootstrap.servers": running.bootstrap_servers, "group.id": group})
            consumer.commit(offsets=[TopicPartition("orders", 0, 1)], asynchronous=False)
            consumer.close()
        yield running


@pytest.fixture
def impact(bus: FakeBus, capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(*words: str, code: int = 1) -> dict[str, Any]:
        assert run(["impact", *words, "--http", bus.http_url, "--json"]) == code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return ask


def test_a_bus_names_readers_events_and_groups_that_have_committed(impact: Any, root: Path) -> None:
    found = impact("orders-value", "--remove")
    parties = {(one["kind"], one["who"]): one["where"] for one in found["breaks"]}
    assert {who for kind, who in parties if kind == "reader"} == {"billing", "shipping", "mail"}
    assert parties["consumer", "watching"] == "orders[0]@1"
    # A group that is called like a service with a schema is that service.
    assert ("consumer", "billing") not in parties
    assert parties["fixture", "shop-events with"] == f"{root}/set/orders.ndjson:1"


def test_a_group_without_a_schema_is_judged_by_the_newest_one(impact: Any) -> None:
    street = impact("orders-value", "--remove-field", "address.street")
    assert "watching" in {one["who"] for one in street["breaks"] if one["kind"] == "consumer"}
    email = impact("orders-value", "--remove-field", "email")
    assert "watching" in {one["who"] for one in email["concerned"]}


def test_http_gives_what_the_command_gives(impact: Any, bus: FakeBus) -> None:
    url = f"{bus.http_url}/_fakebus/v1/impact"
    asked = requests.get(
        url, params={"subject": "orders-value", "removeField": "email"}, timeout=60
    )
    assert asked.json() == impact("orders-value", "--remove-field", "email")
    unknown = requests.get(url, params={"subject": "order-value", "remove": "true"}, timeout=60)
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, 40401)
    for body in ({"subject": "x"}, {"remove": True}, {"subject": "x", "remove": 1, "schema": "{}"}):
        assert requests.post(url, json=body, timeout=60).status_code == 422


def test_the_place_in_a_schema_that_is_not_valid_is_told_by_the_bus_too(
    bus: FakeBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = tmp_path / "bad.avsc"
    schema.write_text('{"type": "record",\n "name" "Order"}')
    words = ["impact", "orders-value", "--schema", str(schema), "--http", bus.http_url]
    assert run(words) == 2
    assert f"{schema}:2:9: " in capsys.readouterr().err


def test_a_registry_of_any_make_gives_versions_and_level(
    bus: FakeBus, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    requests.put(
        f"{bus.http_url}/config/returns-value", json={"compatibility": "FORWARD"}, timeout=9
    )
    words = ["impact", "returns-value", "--remove-field", "to", "--json"]
    assert run([*words, "--registry", bus.http_url]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["level"], found["compatible"]) == ("FORWARD", False)
    assert run([*words, "--registry", bus.http_url, "--fixtures", "set"]) == 1
    assert json.loads(capsys.readouterr().out)["level"] == "FORWARD"


def test_who_reads_what_is_known_when_the_files_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    settings = Settings(fixtures=(tmp_path / "set",), kafka=ANY_PORT, http=ANY_PORT, data=None)
    with FakeBus.thread(settings) as running:
        (tmp_path / "set").rename(tmp_path / "elsewhere")
        assert run(["impact", "orders-value", "--remove", "--http", running.http_url]) == 1
    assert "breaks reader billing" in capsys.readouterr().out


def test_the_catalogue_has_what_is_declared_and_seen(
    bus: FakeBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["catalogue", "--http", bus.http_url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    order = next(each for each in told["event_types"] if each["name"] == "shop.Order")
    consumers = {one["service"]: one for one in order["consumers"]}
    assert (consumers["billing"]["declared"], consumers["billing"]["seen"]) == (True, True)
    # A group that nobody has declared goes by the program that it runs in.
    (unknown,) = [one for one in order["consumers"] if one["groups"] == ["watching"]]
    assert (unknown["declared"], unknown["seen"]) == (False, True)
    assert (consumers["audit"]["declared"], consumers["audit"]["seen"]) == (True, False)
    assert order["schema"]["id"] is not None
    assert order["records"] == 2
    document = requests.get(
        f"{bus.http_url}/_fakebus/v1/catalogue?format=asyncapi&search=order", timeout=9
    ).json()
    assert list(document["channels"]) == ["orders"]


def test_any_cluster_is_catalogued_as_a_client(
    bus: FakeBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["catalogue", "--bootstrap-server", bus.bootstrap_servers, "--json", "--examples"]
    assert run([*words, "--registry", bus.http_url]) == 0
    told = json.loads(capsys.readouterr().out)
    order = next(each for each in told["event_types"] if each["name"] == "shop.Order")
    assert {"billing", "watching", "shipping"} <= {one["service"] for one in order["consumers"]}
    assert {each["id"] for each in order["examples"]} == {"1", "2"}


def test_fixture_sets_and_a_bus_are_asked_together(
    bus: FakeBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The set knows a reader that the bus was never told of, and the bus a group."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name.replace("mail", "letters")).write_text(text.replace("mail", "letters"))
    words = ["impact", "orders-value", "--remove", "--fixtures", "set", "--json"]
    assert run([*words, "--http", bus.http_url]) == 1
    both = {(one["kind"], one["who"]) for one in json.loads(capsys.readouterr().out)["breaks"]}
    assert {("reader", "letters"), ("consumer", "watching")} <= both
    monkeypatch.setenv("FAKEBUS_HTTP_URL", bus.http_url)
    assert run(words) == 1
    alone = {(one["kind"], one["who"]) for one in json.loads(capsys.readouterr().out)["breaks"]}
    assert ("consumer", "watching") not in alone
