from __future__ import annotations

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.list_partition_reassignments import (
    handle_list_partition_reassignments,
)
from fakebus.protocol.messages import ListPartitionReassignmentsRequest
from tests.unit.kafka.handlers.calling import call


async def test_no_reassignment_is_ever_under_way(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    request = ListPartitionReassignmentsRequest(topics=None)
    response = await call(handle_list_partition_reassignments, request, broker)
    assert (response.error_code, response.error_message, response.topics) == (0, None, [])
