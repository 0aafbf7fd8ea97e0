"""Large batches are looked at beside the event loop, and logs keep the order all the same."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.fetching import IsolationLevel
from fakebus.broker.record_thread import MANY_BYTES, MANY_RECORDS, RecordThread
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.codecs import Codec
from tests.unit.broker.batches import T0, batch, read
from tests.unit.broker.conftest import NOW_MS

LARGE = [b"v"] * (MANY_RECORDS + 1)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads that have looked at records."""
    found: list[str] = []
    run = RecordThread.run

    async def noted(self: RecordThread, function: Any, *args: Any) -> Any:
        def look(*args: Any) -> Any:
            found.append(threading.current_thread().name)
            return function(*args)

        return await run(self, look, *args)

    monkeypatch.setattr(RecordThread, "run", noted)
    return found


@pytest.mark.parametrize(
    "configs",
    [{"cleanup.policy": "compact"}, {"compression.type": "zstd"}, {"compression.type": "gzip"}],
)
@pytest.mark.parametrize(
    "values",
    [LARGE, [b"v" * (MANY_BYTES + 1)]],
    ids=["many records", "many bytes"],
)
async def test_records_that_take_long_are_looked_at_in_the_thread(
    broker: Broker, threads: list[str], configs: dict[str, str], values: list[bytes]
) -> None:
    await broker.topics.create("t", 1, configs)
    await broker.produce(T0, batch(*values, at=NOW_MS, codec=Codec.GZIP))
    assert [name.startswith("fakebus-records") for name in threads] == [True]
    await broker.produce(T0, batch(b"small", at=NOW_MS))
    assert len(threads) == 1
    assert [record.value for record in await read(broker)] == [*values, b"small"]


async def test_on_a_topic_without_rules_for_records_nobody_looks(
    broker: Broker, threads: list[str]
) -> None:
    await broker.topics.create("t", 1, {})
    await broker.produce(T0, batch(*LARGE, at=NOW_MS, codec=Codec.GZIP))
    assert threads == []


async def test_batches_keep_their_order_behind_one_that_takes_long(broker: Broker) -> None:
    await broker.topics.create("t", 1, {"cleanup.policy": "compact"})
    results = [
        broker.produce(T0, batch(*values, at=NOW_MS))
        for values in (LARGE, [b"a"], LARGE, [b"b", b"c"])
    ]
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.topics.set_configs(topic, {})
    results.append(broker.produce(T0, batch(b"d", at=NOW_MS)))
    await asyncio.gather(*results)
    found = [record.value for record in await read(broker)]
    assert found == [*LARGE, b"a", *LARGE, b"b", b"c", b"d"]
    assert broker.record_thread.queues == {}


async def test_a_batch_that_is_refused_in_the_thread_does_not_hold_up_the_next(
    broker: Broker,
) -> None:
    await broker.topics.create("t", 1, {"cleanup.policy": "compact"})
    refused = broker.produce(T0, batch(*LARGE, key=None, at=NOW_MS))
    accepted = broker.produce(T0, batch(b"a", at=NOW_MS))
    with pytest.raises(BrokerError) as caught:
        await refused
    assert caught.value.error_code is ErrorCode.INVALID_RECORD
    assert (await accepted).base_offset == 0


async def test_a_bug_in_a_look_refuses_what_waits_and_leaves_the_log_usable(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 1, {"cleanup.policy": "compact"})

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("fakebus.broker.broker.check_records", fail)
        results = [broker.produce(T0, batch(*LARGE, at=NOW_MS)) for _ in range(2)]
        for result in results:
            with pytest.raises(BrokerError) as caught:
                await result
            assert caught.value.error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert (await broker.produce(T0, batch(b"a", at=NOW_MS))).base_offset == 0


@pytest.mark.parametrize(("timestamp", "found"), [(NOW_MS, (0, NOW_MS)), (-3, (0, NOW_MS))])
async def test_times_in_large_batches_are_found_in_the_thread(
    broker: Broker, threads: list[str], timestamp: int, found: tuple[int, int]
) -> None:
    await broker.topics.create("t", 1, {})
    await broker.produce(T0, batch(*LARGE, at=NOW_MS))
    log = broker.partition_log(T0)
    assert await broker.find_offset(log, timestamp, IsolationLevel.READ_UNCOMMITTED) == found
    assert len(threads) == 1
