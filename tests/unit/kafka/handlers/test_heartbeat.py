from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.heartbeat import handle_heartbeat
from fakebus.protocol.messages import HeartbeatRequest
from tests.manual_clock import ManualClock
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import stable_member


@pytest.mark.parametrize("version", range(5))
async def test_heartbeats_keep_a_member(broker: Broker, clock: ManualClock, version: int) -> None:
    joined = await stable_member(broker)
    request = HeartbeatRequest(group_id="g", generation_id=1, member_id=joined.member_id)
    for _ in range(3):
        clock.advance(9)
        assert (await call(handle_heartbeat, request, broker, version=version)).error_code == 0
    clock.advance(10)
    response = await call(handle_heartbeat, request, broker, version=version)
    assert response.error_code == ErrorCode.UNKNOWN_MEMBER_ID.code


async def test_instance_id_is_looked_at(broker: Broker) -> None:
    joined = await stable_member(broker)
    request = HeartbeatRequest(
        group_id="g", generation_id=1, member_id=joined.member_id, group_instance_id="i"
    )
    response = await call(handle_heartbeat, request, broker)
    assert response.error_code == ErrorCode.UNKNOWN_MEMBER_ID.code
