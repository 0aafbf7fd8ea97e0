"""What members of share groups have in flight, and what those of Streams groups run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fakebus.app import FakeBus
from fakebus.broker.broker import Broker
from fakebus.bus_thread import BusThread
from tests.unit.kafka.handlers.test_share_fetch import ShareConsumer, produce
from tests.unit.kafka.handlers.test_streams_group_heartbeat import Thread, topology
from tests.unit.web.console.pages import Browser

Run = Callable[[Coroutine[Any, Any, Any]], Any]
RELEASE, ACCEPT, REJECT = (0, 0, 2), (1, 1, 1), (2, 2, 3)


@pytest.fixture
def run(thread: BusThread[FakeBus]) -> Run:
    """Run something in the loop of the bus."""
    return lambda work: asyncio.run_coroutine_threadsafe(work, thread.loop).result(60)


async def share(broker: Broker) -> None:
    """Let a share consumer have four of five records, and say something of three."""
    await broker.topics.create("t", 1, {})
    broker.config.group_overrides["g"] = {"share.auto.offset.reset": "earliest"}
    await produce(broker, 5)
    consumer = ShareConsumer(broker, "<b>a</b>")
    await consumer.heartbeat()
    assert await consumer.read(max_records=4) == [(0, 3, 1)]
    assert await consumer.acknowledge(RELEASE, ACCEPT, REJECT) == (0, 0)


def test_a_share_group_tells_the_state_of_each_record_and_what_is_left(
    browser: Browser, bus: FakeBus, run: Run
) -> None:
    run(share(bus.broker))

    page = browser.get("/ui/group?name=g")

    assert "t[0]@0 available 1 time" in page.text
    assert "t[0]@1 acknowledged" in page.text
    assert "t[0]@2 archived" in page.text
    assert re.search(r"t\[0\]@3 acquired 1 time test [\d.]+ s", page.text), page.text
    assert "delivered up to 5 times" in page.text
    assert "t[0] 0 5 3" in page.text, "what is done is no lag"
    assert "share" in page.text


async def streams(broker: Broker, source: str) -> None:
    """Let two threads of an application begin, of which the first has all tasks still."""
    await Thread(broker, "<i>a</i>").join(topology=topology(source))
    await Thread(broker, "b").join(topology=topology(source))


def test_a_streams_group_tells_its_tasks_and_its_topology(
    browser: Browser, bus: FakeBus, topic: str, run: Run
) -> None:
    run(streams(bus.broker, topic))

    page = browser.get("/ui/group?name=app")

    assert "<i>a</i> 0_0, 0_1, 1_0, 1_1" in page.text
    assert f"0 2 {topic} app-again" in page.text
    assert "1 2 app-again app-store" in page.text


def test_a_streams_group_tells_why_it_has_no_tasks(
    browser: Browser, bus: FakeBus, run: Run
) -> None:
    run(Thread(bus.broker, "a", "waits").join(topology=topology("nowhere")))

    page = browser.get("/ui/group?name=waits")

    assert "Source topics nowhere are missing" in page.text
