from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.describe_groups import handle_describe_groups
from fakebus.protocol.messages import DescribeGroupsRequest
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import SUBSCRIPTION, stable_member


@pytest.mark.parametrize("version", range(7))
async def test_stable_group_is_shown_with_its_members(broker: Broker, version: int) -> None:
    joined = await stable_member(broker)
    request = DescribeGroupsRequest(groups=["g"])
    (group,) = (await call(handle_describe_groups, request, broker, version=version)).groups
    assert (group.error_code, group.group_id, group.group_state) == (0, "g", "Stable")
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    (member,) = group.members
    assert (member.member_id, member.group_instance_id) == (joined.member_id, None)
    assert (member.client_id, member.client_host) == ("test", "/127.0.0.1")
    assert (member.member_metadata, member.member_assignment) == (SUBSCRIPTION, b"A")


async def test_group_that_does_not_exist_is_dead(broker: Broker) -> None:
    request = DescribeGroupsRequest(groups=["x", ""])
    old = await call(handle_describe_groups, request, broker, version=5)
    assert [(g.error_code, g.group_state) for g in old.groups] == [(0, "Dead")] * 2
    new = await call(handle_describe_groups, request, broker, version=6)
    code = ErrorCode.GROUP_ID_NOT_FOUND.code
    assert [(g.error_code, g.group_state) for g in new.groups] == [(code, "Dead")] * 2
    assert "x" in new.groups[0].error_message


async def test_all_operations_are_authorised_when_asked(broker: Broker) -> None:
    await stable_member(broker)
    request = DescribeGroupsRequest(groups=["g", "x"], include_authorized_operations=True)
    response = await call(handle_describe_groups, request, broker)
    read, delete, describe, describe_configs, alter_configs = 3, 6, 8, 10, 11
    bits = [1 << code for code in (read, delete, describe, describe_configs, alter_configs)]
    assert [g.authorized_operations for g in response.groups] == [sum(bits), -(2**31)]
    request = DescribeGroupsRequest(groups=["g"])
    response = await call(handle_describe_groups, request, broker)
    assert response.groups[0].authorized_operations == -(2**31)


async def test_a_group_that_is_named_again_and_again_is_told_once(broker: Broker) -> None:
    await stable_member(broker)
    request = DescribeGroupsRequest(groups=["g", "x"] * 1_000)
    response = await call(handle_describe_groups, request, broker)
    assert [group.group_id for group in response.groups] == ["g", "x"]
