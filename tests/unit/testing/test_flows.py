"""Causes and effects in tests, with real clients in the test's own process."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer

from fakebus.lineage.place import FlowError
from fakebus.testing import TestBus
from fakebus.testing.flows import flow
from tests.unit.testing.conftest import MakeConsumer, MakeProducer

SOON_S = 10.0


def read(consumer: Consumer) -> Message:
    message = consumer.poll(SOON_S)
    assert message is not None
    assert message.error() is None
    return message


class Service:
    """Service that answers each record of one topic by one on another."""

    def __init__(
        self, consumer: MakeConsumer, producer: MakeProducer, name: str, reads: str, writes: str
    ) -> None:
        self.consumer = consumer(name, reads, client_id=name)
        self.producer: Producer = producer(client_id=name)
        self.writes = writes

    def handle(self, *, commits: bool = True) -> None:
        message = read(self.consumer)
        self.producer.produce(self.writes, message.value(), message.key())
        self.producer.flush(SOON_S)
        if commits:
            self.consumer.commit(message, asynchronous=False)


def test_services_that_pass_an_order_along_are_followed(
    bus: TestBus, consumer: MakeConsumer, producer: MakeProducer
) -> None:
    order = bus.publish("orders", {"id": "o-1"})
    billing = Service(consumer, producer, "billing", "orders", "invoices")
    billing.handle()
    shipping = Service(consumer, producer, "shipping", "invoices", "parcels")
    shipping.handle()
    parcel = bus.expect("parcels", {"id": "o-1"}, caused_by=order)
    flow = bus.flow(parcel)
    assert flow["asked"] == "parcels[0]@0"
    assert [(edge["from"], edge["to"], edge["evidence"]) for edge in flow["edges"]] == [
        ("orders[0]@0", "invoices[0]@0", "observed"),
        ("invoices[0]@0", "parcels[0]@0", "observed"),
    ]
    assert {edge["rivals"] for edge in flow["edges"]} == {0}
    assert bus.flow("orders[0]@0", depth=1)["edges"] == flow["edges"][:1]
    bus.assert_no_unhandled("orders", "invoices")
    assert "└─ invoices[0]@0" in bus.timeline()


def test_a_transaction_states_its_cause_and_what_nobody_sees_is_told(
    bus: TestBus, consumer: MakeConsumer, producer: MakeProducer
) -> None:
    order = bus.publish("orders", {"id": "o-1"})
    reader = consumer("billing", "orders", client_id="billing")
    writer = producer(client_id="billing", transactional_id="billing-1")
    writer.init_transactions(SOON_S)
    message = read(reader)
    for value in ("first try", "invoice"):
        writer.begin_transaction()
        writer.produce("invoices", value)
        writer.flush(SOON_S)
        if value == "first try":
            writer.abort_transaction(SOON_S)
    offsets = reader.position(reader.assignment())
    writer.send_offsets_to_transaction(offsets, reader.consumer_group_metadata(), SOON_S)
    writer.commit_transaction(SOON_S)
    invoice = bus.expect("invoices", caused_by=order)
    [edge] = [each for each in bus.flow(invoice)["edges"] if each["to"] == invoice.name]
    assert (edge["evidence"], edge["by"], edge["rivals"]) == ("stated", "transaction", 0)
    writer.begin_transaction()
    writer.produce("invoices", "another try")
    writer.flush(SOON_S)
    lines = [line for line in bus.timeline().splitlines() if "in the transaction of" in line]
    whose = "produced by billing in the transaction of billing-1, which"
    assert [line.partition(" s  ")[2] for line in lines] == [
        f"invoices[0]@0  {whose} was aborted: its producer has aborted it",
        f"invoices[0]@4  {whose} is open: no commit has come",
    ]
    assert message.offset() == 0
    writer.abort_transaction(SOON_S)


def test_an_effect_of_another_event_is_not_what_was_expected(
    bus: TestBus, consumer: MakeConsumer, producer: MakeProducer
) -> None:
    first = bus.publish("orders", {"id": "o-1"})
    service = Service(consumer, producer, "billing", "orders", "invoices")
    service.handle()
    second = bus.publish("orders", {"id": "o-2"})
    with pytest.raises(AssertionError) as failure:
        bus.expect("invoices", caused_by=second, timeout=0)
    assert "invoices[0]@0 was caused by orders[0]@0 (observed)" in str(failure.value)
    service.handle()
    assert bus.expect("invoices", caused_by=second).json() == {"id": "o-2"}
    assert bus.expect("invoices", caused_by=first).json() == {"id": "o-1"}


def test_a_cause_that_is_stated_needs_no_clients(bus: TestBus) -> None:
    order = bus.publish("orders", {}, headers={"ce_id": "1"})
    bus.publish("invoices", {}, headers={"ce_causationid": "1"})
    assert bus.expect("invoices", caused_by=order).offset == 0
    assert bus.flow(order)["edges"][0]["evidence"] == "stated"


def test_the_same_key_alone_makes_nothing_a_cause(bus: TestBus) -> None:
    order = bus.publish("orders", {}, key="k")
    bus.publish("invoices", {}, key="k")
    assert [edge["evidence"] for edge in bus.flow(order)["edges"]] == ["hinted"]
    with pytest.raises(AssertionError):
        bus.expect("invoices", caused_by=order, timeout=0)


def test_a_cause_that_is_known_later_than_its_effect_came_is_waited_for(
    bus: TestBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bus.publish("orders", {}, headers={"ce_id": "1"})
    bus.publish("invoices", {}, headers={"ce_causationid": "1"})
    asked = []

    async def known_at_the_third_time(*args: Any) -> dict[str, Any]:
        asked.append(args)
        return await flow(*args) if len(asked) > 2 else {"edges": []}

    monkeypatch.setattr("fakebus.testing.flows.flow", known_at_the_third_time)
    assert bus.expect("invoices", caused_by=order).offset == 0


def test_what_nobody_has_handled_is_told(
    bus: TestBus, consumer: MakeConsumer, producer: MakeProducer
) -> None:
    bus.publish("orders", {"id": "o-1"})
    bus.assert_no_unhandled(timeout=0)
    service = Service(consumer, producer, "billing", "orders", "invoices")
    service.handle(commits=False)
    with pytest.raises(AssertionError) as failure:
        bus.assert_no_unhandled(timeout=0)
    assert re.search(
        r"orders\[0\]@0  billing: fetched, sent 1 time and not committed", str(failure.value)
    )
    bus.assert_no_unhandled(groups=["others"], timeout=0)
    service.consumer.commit(asynchronous=False)
    bus.assert_no_unhandled()


def test_an_event_that_never_was_has_no_flow(bus: TestBus) -> None:
    bus.publish("orders", {})
    with pytest.raises(FlowError, match="there never was a record"):
        bus.flow("orders[0]@7")


async def test_flows_come_to_asynchronous_tests_too(bus: TestBus) -> None:
    order = await bus.aio.publish("orders", {})
    assert json.loads(json.dumps(await bus.aio.flow(order)))["edges"] == []
    await bus.aio.assert_no_unhandled()
