"""Share groups at the handlers: what is told of them, as of all groups with heartbeats."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.groups.group import GroupDescription, MemberDescription, ModernMember
from fakebus.errors import ErrorCode
from fakebus.kafka.api import ClientConnection, RequestContext
from fakebus.kafka.handlers.share_group_describe import handle_share_group_describe
from fakebus.kafka.handlers.share_group_heartbeat import handle_share_group_heartbeat
from fakebus.protocol.messages import ShareGroupDescribeRequest, ShareGroupHeartbeatRequest
from fakebus.types import TopicPartition
from tests.unit.kafka.handlers.calling import call

MEMBER = "2f7b2c0e-9b0a-4a7e-8c53-2a4f9d1e6b70"


async def join(broker: Broker, connection: ClientConnection | None = None) -> Any:
    request = ShareGroupHeartbeatRequest(
        group_id="g", member_id=MEMBER, member_epoch=0, subscribed_topic_names=["t"]
    )
    return await call(handle_share_group_heartbeat, request, broker, connection=connection)


async def described(broker: Broker, *names: str) -> list[Any]:
    request = ShareGroupDescribeRequest(group_ids=[*names], include_authorized_operations=False)
    found = await call(handle_share_group_describe, request, broker)
    return list(found.groups)


async def test_an_empty_name_is_described_first_and_what_is_named_twice_once(
    broker: Broker,
) -> None:
    await join(broker)
    found = await described(broker, "x", "g", "", "x")
    assert [(group.group_id, group.error_code) for group in found] == [
        ("", ErrorCode.INVALID_GROUP_ID.code),
        ("x", ErrorCode.GROUP_ID_NOT_FOUND.code),
        ("g", ErrorCode.NONE.code),
    ]


async def test_a_group_that_a_client_asks_for_was_reached(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []
    monkeypatch.setattr(broker.group_coordinator.history, "reached", reached.append)
    await described(broker, "g")
    assert reached == ["g"]


@pytest.mark.parametrize("hidden", ["subscribed", "owned", "target"])
async def test_nothing_is_told_of_a_group_whose_members_read_what_a_client_may_not_see(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    modern = ModernMember(
        epoch=1,
        rack_id=None,
        named_topics=frozenset(),
        regex="",
        topics=frozenset(["subscribed"]),
        owned=(TopicPartition("owned", 0),),
        target=(TopicPartition("target", 0),),
    )
    member = MemberDescription(
        member_id=MEMBER, group_instance_id=None, client_id="", client_host="", modern=modern
    )
    group = GroupDescription(
        group_id="g",
        group_type="share",
        state="Stable",
        protocol_type="share",
        protocol_name="simple",
        generation_id=1,
        members=(member,),
    )
    monkeypatch.setattr(broker.group_coordinator, "describe", lambda _: group)
    monkeypatch.setattr(RequestContext, "sees", lambda self, kind, name: name != hidden)
    [found] = await described(broker, "g")
    assert (found.error_code, found.members) == (ErrorCode.TOPIC_AUTHORIZATION_FAILED.code, [])


@pytest.mark.parametrize("is_here", [False, True])
async def test_the_end_of_a_connection_concerns_the_groups_that_its_node_coordinates(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, *, is_here: bool
) -> None:
    broker.config.set_dynamic(default={"fakebus.evict.on.disconnect": "true"})
    # Its members may go on at another node by then.
    monkeypatch.setattr(RequestContext, "coordinates", lambda self, topic, group: is_here)
    connection = ClientConnection(1, "PLAINTEXT", "/127.0.0.1")
    await join(broker, connection)
    for closed in connection.on_close:
        closed()
    [found] = await described(broker, "g")
    assert len(found.members) == (0 if is_here else 1)
