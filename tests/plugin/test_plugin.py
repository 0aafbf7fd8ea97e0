"""The pytest plugin, as a project that installs fakebus meets it."""

from __future__ import annotations

import pytest

COMMON = """
import time
from confluent_kafka import Consumer, Producer


def produce(servers, topic, value):
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(topic, value)
    assert producer.flush(60) == 0
"""


@pytest.fixture(autouse=True)
def few_plugins(monkeypatch: pytest.MonkeyPatch, imported_modules: None) -> None:
    # Loading all that are installed takes longer than most of these tests.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, code: str, *arguments: str, **outcomes: int) -> str:
    pytester.makepyfile(COMMON + code)
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "fakebus.pytest_plugin", *arguments
    )
    result.assert_outcomes(**outcomes)
    return result.stdout.str()


def test_a_real_clients_event_is_expected_and_one_of_ours_is_consumed(
    pytester: pytest.Pytester,
) -> None:
    code = """
def test_out(fakebus):
    produce(fakebus.bootstrap_servers, "orders", b'{"id": 7, "state": "paid"}')
    event = fakebus.expect("orders", {"id": 7})
    assert event.json()["state"] == "paid"
    assert [e.offset for e in fakebus.events("orders")] == [0]


def test_in(fakebus):
    sent = fakebus.publish("orders", {"id": 8}, key="k", headers={"h": "v"})
    consumer = Consumer({
        "bootstrap.servers": fakebus.bootstrap_servers,
        "group.id": "g",
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe(["orders"])
    message = consumer.poll(60)
    assert (message.value(), message.key(), message.headers()) == (
        b'{"id":8}', b"k", [("h", b"v")]
    )
    assert message.offset() == sent.offset
    consumer.commit(message, asynchronous=False)
    consumer.close()
"""
    run(pytester, code, passed=2)


def test_each_test_finds_the_bus_as_it_was_seeded(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfakebus_fixtures = set\nfakebus_set = num.partitions=2\n")
    directory = pytester.mkdir("set")
    (directory / "fakebus.yaml").write_text(
        "version: 1\n"
        "topics: [{name: seeded, value: {format: string}, load: events.ndjson}]\n"
        "groups: [{group: g, offsets: {seeded: {'*': earliest}}}]\n"
    )
    (directory / "events.ndjson").write_text('{"value": "one"}\n{"value": "two"}\n')
    code = """
import pytest


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turn(fakebus, turn):
    assert fakebus.events("seeded") == []
    assert fakebus.events("new") == []
    fakebus.expect_none("seeded", within=0)
    assert fakebus.publish("seeded", "three").offset == 2
    assert fakebus.publish("new", "x", partition=1).offset == 0
    consumer = Consumer({"bootstrap.servers": fakebus.bootstrap_servers, "group.id": "g"})
    consumer.subscribe(["seeded"])
    assert [consumer.poll(60).value() for _ in range(3)] == [b"one", b"two", b"three"]
    consumer.commit(asynchronous=False)
    if turn == 2:
        consumer.close()
"""
    run(pytester, code, passed=3)


def test_asynchronous_tests_wait_without_blocking_their_loop(pytester: pytest.Pytester) -> None:
    code = """
import asyncio
import pytest


@pytest.mark.asyncio
async def test_later(fakebus):
    async def service():
        await fakebus.aio.expect("in", "question")
        await fakebus.aio.publish("out", "answer")

    running = asyncio.ensure_future(service())
    await asyncio.sleep(0)
    await fakebus.aio.publish("in", "question")
    assert (await fakebus.aio.expect("out")).text == "answer"
    await fakebus.aio.expect_none("out", "other", within=0)
    assert len(await fakebus.aio.events("in")) == 1
    await running
"""
    run(pytester, code, "-p", "pytest_asyncio.plugin", passed=1)


def test_a_failure_shows_the_nearest_events_and_why_they_do_not_match(
    pytester: pytest.Pytester,
) -> None:
    code = """
def test_wrong(fakebus):
    fakebus.publish("orders", {"id": 7, "state": "open"})
    fakebus.expect("orders", {"id": 7, "state": "paid"}, timeout=0.1)


def test_missing(fakebus):
    fakebus.publish("orders", {})
    fakebus.expect("odrers", timeout=0.1)


def test_unwanted(fakebus):
    fakebus.publish("orders", "spam")
    fakebus.expect_none("orders")
"""
    output = run(pytester, code, failed=3)
    assert "no matching event came to orders within 0.1 s" in output
    assert "value.state is 'open', not 'paid'" in output
    assert "there is no topic of that name; topics: orders" in output
    assert "expected no such event on orders, but there is orders[0]@0" in output


def test_every_xdist_worker_has_a_bus_of_its_own(pytester: pytest.Pytester) -> None:
    code = """
import pytest


@pytest.mark.parametrize("number", range(8))
def test_alone(fakebus, number):
    assert fakebus.publish("t", "x").offset == 0
    assert len(fakebus.events("t")) == 1
"""
    run(pytester, code, "-p", "xdist.plugin", "-n", "2", passed=8)


def test_a_bus_that_cannot_start_says_why(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfakebus_set = num.partitionz=2\n")
    output = run(pytester, "\ndef test_it(fakebus): pass\n", errors=1)
    assert "num.partitionz" in output


def test_the_plugin_costs_nothing_where_it_is_not_used(pytester: pytest.Pytester) -> None:
    code = """
import sys


def test_nothing():
    assert "fakebus.app" not in sys.modules
    assert "aiosqlite" not in sys.modules
"""
    run(pytester, code, passed=1)
