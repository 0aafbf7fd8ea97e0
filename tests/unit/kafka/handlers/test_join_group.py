from __future__ import annotations

import asyncio

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.api import ClientConnection
from fakebus.kafka.handlers.join_group import handle_join_group
from fakebus.kafka.handlers.sync_group import handle_sync_group
from fakebus.protocol.messages import JoinGroupRequestProtocol
from tests.manual_clock import ManualClock
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import (
    SUBSCRIPTION,
    join_request,
    stable_member,
    sync_request,
)


@pytest.mark.parametrize("version", [4, 5, 7, 9])
async def test_new_client_is_given_an_id_and_joins_with_it(broker: Broker, version: int) -> None:
    first = await call(handle_join_group, join_request(), broker, version=version)
    assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED.code
    assert first.member_id.startswith("test-")
    joined = await call(handle_join_group, join_request(first.member_id), broker, version=version)
    assert (joined.error_code, joined.generation_id) == (0, 1)
    assert joined.leader == joined.member_id == first.member_id
    assert joined.protocol_name == "range"
    assert joined.protocol_type == ("consumer" if version >= 7 else None)
    assert [(m.member_id, m.metadata) for m in joined.members] == [(first.member_id, SUBSCRIPTION)]


@pytest.mark.parametrize("version", [0, 3])
async def test_old_client_joins_at_once(broker: Broker, version: int) -> None:
    joined = await call(handle_join_group, join_request(), broker, version=version)
    assert (joined.error_code, joined.generation_id) == (0, 1)


@pytest.mark.parametrize(("version", "name"), [(6, ""), (7, None)])
async def test_failures_have_no_protocol_name(
    broker: Broker, version: int, name: str | None
) -> None:
    response = await call(
        handle_join_group, join_request(session_timeout_ms=1), broker, version=version
    )
    assert response.error_code == ErrorCode.INVALID_SESSION_TIMEOUT.code
    assert (response.protocol_name, response.generation_id) == (name, -1)


async def test_version_0_waits_for_others_during_the_session_timeout(
    broker: Broker, clock: ManualClock
) -> None:
    first = await call(handle_join_group, join_request(session_timeout_ms=6000), broker, version=0)
    await call(handle_sync_group, sync_request(first, b"A"), broker, version=0)
    request = join_request(session_timeout_ms=6000)
    newcomer = asyncio.ensure_future(call(handle_join_group, request, broker, version=0))
    await asyncio.sleep(0)
    clock.advance(3)
    broker.group_coordinator.heartbeat("g", first.member_id, 1)
    clock.advance(2.9)
    assert not newcomer.done()
    clock.advance(0.1)
    assert len((await newcomer).members) == 1


async def test_client_is_shown_with_its_address(broker: Broker) -> None:
    await stable_member(broker)
    described = broker.group_coordinator.describe("g")
    assert described is not None
    assert [(m.client_id, m.client_host) for m in described.members] == [("test", "/127.0.0.1")]


async def test_static_member_is_marked_as_such(broker: Broker) -> None:
    joined = await call(handle_join_group, join_request(group_instance_id="i"), broker)
    assert joined.member_id.startswith("i-")
    assert [m.group_instance_id for m in joined.members] == ["i"]


@pytest.mark.parametrize(("version", "skips"), [(8, False), (9, True)])
async def test_returning_static_leader_skips_the_assignment(
    broker: Broker, version: int, skips: bool
) -> None:
    joined = await call(handle_join_group, join_request(group_instance_id="i"), broker)
    await call(handle_sync_group, sync_request(joined, b"A", group_instance_id="i"), broker)
    back = await call(
        handle_join_group, join_request(group_instance_id="i"), broker, version=version
    )
    assert (back.error_code, back.skip_assignment) == (0, skips)
    assert (back.leader == back.member_id) is skips


async def test_of_two_protocols_with_one_name_the_first_counts(broker: Broker) -> None:
    twice = [
        JoinGroupRequestProtocol(name="range", metadata=b"1"),
        JoinGroupRequestProtocol(name="range", metadata=b"2"),
    ]
    joined = await call(handle_join_group, join_request(protocols=twice), broker, version=3)
    assert [m.metadata for m in joined.members] == [b"1"]


async def test_closed_connection_removes_the_member_if_asked_to(broker: Broker) -> None:
    broker.config.set_dynamic(default={"fakebus.evict.on.disconnect": "true"})
    connection = ClientConnection(1, "PLAINTEXT", "/127.0.0.1")
    joined = await stable_member(broker, connection)
    again = join_request(joined.member_id)
    await call(handle_join_group, again, broker, version=3, connection=connection)
    (closed,) = connection.on_close
    closed()
    described = broker.group_coordinator.describe("g")
    assert described is not None
    assert described.state == "Empty"


async def test_closed_connection_is_not_watched_otherwise(broker: Broker) -> None:
    connection = ClientConnection(1, "PLAINTEXT", "/127.0.0.1")
    await stable_member(broker, connection)
    assert connection.on_close == []
