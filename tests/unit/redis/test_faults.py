"""Faults as clients of Redis see them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from fakebus.app import BusThread
from fakebus.broker.faults import Faults


@pytest.fixture
def faults(running: BusThread) -> Iterator[Faults]:
    yield running.bus.broker.faults
    running.bus.broker.faults.clear()


def test_a_command_fails_without_being_carried_out(
    faults: Faults, client: redis.Redis, stream: str
) -> None:
    client.xadd("another", {"n": 1})
    faults.fail(api="XADD", error="NOT_ENOUGH_REPLICAS", topic=stream)
    client.xadd("another", {"n": 2})
    with pytest.raises(redis.ResponseError, match="NOT_ENOUGH_REPLICAS"):
        client.xadd(stream, {"n": 1})
    assert client.xlen(stream) == 0


@pytest.mark.parametrize("before", [True, False])
def test_a_connection_breaks_before_or_after_a_command(
    faults: Faults, client: redis.Redis, stream: str, before: bool
) -> None:
    faults.disconnect(api="XADD", before=before, after=not before)
    client.ping()
    connection = client.connection_pool.get_connection()
    connection.send_command("XADD", stream, "*", "n", "1")
    with pytest.raises(redis.ConnectionError):
        connection.read_response()
    assert client.xlen(stream) == (0 if before else 1)


def test_an_answer_comes_late(faults: Faults, client: redis.Redis, stream: str) -> None:
    client.xadd(stream, {"n": 1})
    client.xgroup_create(stream, "g", "0")
    fault = faults.delay(api="XREADGROUP", seconds=0.01, topic=stream, group="g")
    assert client.xreadgroup("g", "c", {stream: ">"})
    assert fault.fired == 1
    fault = faults.delay(api="XINFO GROUPS", seconds=0.01, topic=stream)
    assert client.xinfo_groups(stream)
    assert fault.fired == 1
    assert faults.never_fired == []
