from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.join_group import handle_join_group
from fakebus.kafka.handlers.sync_group import handle_sync_group
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import join_request, stable_member, sync_request


@pytest.mark.parametrize("version", range(6))
async def test_leader_gets_what_it_assigned_itself(broker: Broker, version: int) -> None:
    joined = await call(handle_join_group, join_request(), broker, version=3)
    synced = await call(handle_sync_group, sync_request(joined, b"A"), broker, version=version)
    assert (synced.error_code, synced.assignment) == (0, b"A")
    if version >= 5:
        assert (synced.protocol_type, synced.protocol_name) == ("consumer", "range")


@pytest.mark.parametrize("missing", ["protocol_type", "protocol_name"])
async def test_protocol_is_mandatory_since_version_5(broker: Broker, missing: str) -> None:
    joined = await stable_member(broker)
    request = sync_request(joined, **{missing: None})
    refused = await call(handle_sync_group, request, broker, version=5)
    assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL.code
    assert (await call(handle_sync_group, request, broker, version=4)).error_code == 0


async def test_errors_are_passed_on(broker: Broker) -> None:
    joined = await stable_member(broker)
    request = sync_request(joined, generation_id=9)
    response = await call(handle_sync_group, request, broker)
    assert (response.error_code, response.assignment) == (ErrorCode.ILLEGAL_GENERATION.code, b"")
    fenced = sync_request(joined, group_instance_id="i")
    response = await call(handle_sync_group, fenced, broker, version=3)
    assert response.error_code == ErrorCode.UNKNOWN_MEMBER_ID.code
