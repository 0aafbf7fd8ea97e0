"""Contracts as two services meet them, each with tests of its own and a set that they share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakebus.cli.main import run as fakebus

from .test_plugin import few_plugins  # noqa: F401 - a fixture for every test here

SET = {
    "fakebus.yaml": """\
version: 1
name: parcel-events
release: "2"
subjects: [{subject: shipments-value, schema: shipment.avsc}]
topics:
  - name: orders
    load: orders.ndjson
    contract:
      type: value.kind
      match: {placed: {total: {$range: {min: 0}}}}
  - {name: shipments, value: {subject: shipments-value}, load: shipments.ndjson}
""",
    "shipment.avsc": json.dumps(
        {"type": "record", "name": "Shipment", "fields": [{"name": "id", "type": "string"}]}
    ),
    "orders.ndjson": """\
{"key": "1", "value": {"kind": "placed", "total": 3}}
{"key": "1", "value": {"kind": "gone"}}
""",
    "shipments.ndjson": '{"key": "s", "value": {"id": "s"}}\n',
}
SHOP = """
import json
import pytest
from confluent_kafka import Producer


def emit(fakebus, **order):
    producer = Producer({"bootstrap.servers": fakebus.bootstrap_servers})
    producer.produce(fakebus.topic("orders"), key="9", value=json.dumps(order))
    assert producer.flush(60) == 0


def test_right(fakebus):
    emit(fakebus, kind="placed", total=4, more=True)
    (event,) = fakebus.assert_emitted_as_shared()
    assert fakebus.assert_emitted_as_shared("orders", "placed") == [event]


@pytest.mark.parametrize(("order", "reason"), [
    ({"kind": "placed", "total": -1}, "value.total is -1, not at least 0"),
    ({"kind": "placed"}, "value.total is missing, unlike in the shared events"),
    ({"kind": "lost"}, "there is no shared event of the type 'lost'"),
])
def test_wrong(fakebus, order, reason):
    emit(fakebus, **order)
    with pytest.raises(AssertionError, match="what was emitted is not what") as caught:
        fakebus.assert_emitted_as_shared()
    assert reason in str(caught.value)


def test_nothing(fakebus):
    fakebus.publish("orders", {"kind": "placed", "total": 1})
    with pytest.raises(AssertionError, match="onto a shared topic .orders, shipments., and none"):
        fakebus.assert_emitted_as_shared()
    with pytest.raises(AssertionError, match="of the type gone was to be emitted onto orders"):
        fakebus.assert_emitted_as_shared("orders", "gone")
    with pytest.raises(AssertionError, match="no fixture set has the topic ordres; topics: "):
        fakebus.assert_emitted_as_shared("ordres")
"""
BILLING = """
import json
import pytest
from confluent_kafka import Consumer


@pytest.mark.fakebus(consumes="orders")
def test_orders_are_read_one_by_one(fakebus, shared_event):
    consumer = Consumer({
        "bootstrap.servers": fakebus.bootstrap_servers,
        "group.id": fakebus.group("billing"),
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe([fakebus.topic("orders")])
    message = consumer.poll(60)
    consumer.close()
    assert json.loads(message.value()) == shared_event.data
    assert message.offset() == shared_event.offset


@pytest.mark.fakebus(consumes=["shipments"])
def test_shipments_are_decoded(fakebus, shared_event):
    assert shared_event.data["id"] == "s"


def test_the_set_is_as_it_was(fakebus):
    assert [event.key for event in fakebus.events("orders")] == []
"""


def run(pytester: pytest.Pytester, service: str, *arguments: str, **outcomes: int) -> str:
    plugins = ("fakebus.pytest_plugin", "fakebus.contract_plugin")
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--fakebus-fixtures", "set", "--fakebus-service", service),
        *(word for plugin in plugins for word in ("-p", plugin)),
        *arguments,
    )
    result.assert_outcomes(**outcomes)
    return result.stdout.str()


@pytest.fixture
def shared(pytester: pytest.Pytester) -> Path:
    root = pytester.mkdir("set")
    for name, text in SET.items():
        (root / name).write_text(text)
    return root


@pytest.mark.usefixtures("shared")
def test_two_services_prove_that_they_understand_each_other(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pytester.path)
    pytester.makepyfile(test_shop=SHOP)
    run(pytester, "shop", "test_shop.py", passed=5)
    assert (pytester.path / ".fakebus" / "observed" / ".gitignore").read_text() == "*\n"
    assert fakebus(["contract", "report"]) == 0
    pytester.makepyfile(test_billing=BILLING)
    run(pytester, "billing", "test_billing.py", passed=7)
    assert fakebus(["contract", "report"]) == 0
    shop, billing = (
        json.loads((pytester.path / "contracts" / f"{name}.json").read_text())
        for name in ("shop", "billing")
    )
    assert shop["sets"] == billing["sets"] == {"parcel-events": "2"}
    assert shop["produces"]["orders"]["placed"]["fields"]["value.more"] == "boolean?"
    assert shop["accepts"] == billing["produces"] == {}
    assert sorted(billing["accepts"]["orders"]) == ["gone", "placed"]
    accepted = billing["accepts"]["shipments"]["Shipment"]
    assert accepted["schemas"] == ["shipments-value version 1"]
    assert accepted["unknownFields"] is True
    capsys.readouterr()
    # What the tests of the shop emitted on purpose wrongly breaks billing.
    assert fakebus(["contract", "check"]) == 1
    assert "orders (lost): shop produces it" in capsys.readouterr().out
    run(pytester, "shop", "test_shop.py", "-k", "right", passed=1, deselected=4)
    assert fakebus(["contract", "report"]) == 0
    assert fakebus(["contract", "check"]) == 0


@pytest.mark.usefixtures("shared")
def test_a_topic_without_shared_events_and_a_broken_set_are_told_when_tests_are_collected(
    pytester: pytest.Pytester, shared: Path
) -> None:
    pytester.makepyfile(
        """
import pytest

@pytest.mark.fakebus(consumes="ordres")
def test_it(fakebus, shared_event):
    pass
"""
    )
    output = run(pytester, "billing", errors=1)
    assert "consumes 'ordres', of which the fixture sets have no events" in output
    assert "topics with events: orders, shipments" in output
    (shared / "orders.ndjson").write_text("{")
    assert "orders.ndjson:1:" in run(pytester, "billing", errors=1)
    pytester.makepyfile("import pytest\n\n@pytest.mark.fakebus(consumes=5)\ndef test_it(): pass\n")
    assert "the name of a topic or a list of names, not 5" in run(pytester, "billing", errors=1)


@pytest.mark.usefixtures("shared")
def test_shared_event_without_a_topic_says_what_to_write(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(shared_event): pass")
    assert 'mark it @pytest.mark.fakebus(consumes="TOPIC")' in run(pytester, "billing", errors=1)
