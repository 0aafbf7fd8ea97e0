from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.leave_group import handle_leave_group
from fakebus.protocol.messages import LeaveGroupRequest, MemberIdentity
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import stable_member

UNKNOWN = ErrorCode.UNKNOWN_MEMBER_ID.code


@pytest.mark.parametrize("version", range(3))
async def test_old_versions_name_one_member(broker: Broker, version: int) -> None:
    joined = await stable_member(broker)
    request = LeaveGroupRequest(group_id="g", member_id=joined.member_id)
    assert (await call(handle_leave_group, request, broker, version=version)).error_code == 0
    again = await call(handle_leave_group, request, broker, version=version)
    assert (again.error_code, again.members) == (UNKNOWN, [])


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_new_versions_answer_each_member(broker: Broker, version: int) -> None:
    joined = await stable_member(broker)
    request = LeaveGroupRequest(
        group_id="g",
        members=[
            MemberIdentity(member_id=joined.member_id, reason="bye" if version == 5 else None),
            MemberIdentity(member_id="", group_instance_id="i"),
        ],
    )
    response = await call(handle_leave_group, request, broker, version=version)
    assert response.error_code == 0
    answers = [(m.member_id, m.group_instance_id, m.error_code) for m in response.members]
    assert answers == [(joined.member_id, None, 0), ("", "i", UNKNOWN)]
    described = broker.group_coordinator.describe("g")
    assert described is not None
    assert described.state == "Empty"


async def test_members_of_an_unknown_group_are_unknown(broker: Broker) -> None:
    request = LeaveGroupRequest(group_id="x", members=[MemberIdentity(member_id="m")])
    response = await call(handle_leave_group, request, broker)
    assert response.error_code == 0
    assert [m.error_code for m in response.members] == [UNKNOWN]


@pytest.mark.parametrize("version", [0, 5])
async def test_group_needs_a_name(broker: Broker, version: int) -> None:
    response = await call(handle_leave_group, LeaveGroupRequest(), broker, version=version)
    assert response.error_code == ErrorCode.INVALID_GROUP_ID.code
