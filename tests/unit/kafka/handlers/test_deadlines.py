"""Requests that leave the controller no time: REQUEST_TIMED_OUT, and nothing is done."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.api import Handler
from fakebus.kafka.handlers.alter_partition_reassignments import (
    handle_alter_partition_reassignments,
)
from fakebus.kafka.handlers.create_partitions import handle_create_partitions
from fakebus.kafka.handlers.create_topics import handle_create_topics
from fakebus.kafka.handlers.delete_topics import handle_delete_topics
from fakebus.kafka.handlers.elect_leaders import handle_elect_leaders
from fakebus.protocol import messages as m
from tests.differential.test_wire_odd_requests import error_codes
from tests.unit.kafka.handlers.calling import call

LATE, REFUSED = 7, 42


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(each) for each in value]
    slots = getattr(value, "__slots__", None)
    return {name: plain(getattr(value, name)) for name in slots} if slots else value


ASKED: list[tuple[Handler, Any]] = [
    (handle_create_topics, m.CreateTopicsRequest(topics=[m.CreatableTopic(name="new")])),
    (handle_delete_topics, m.DeleteTopicsRequest(topics=[m.DeleteTopicState(name="t")])),
    (
        handle_create_partitions,
        m.CreatePartitionsRequest(topics=[m.CreatePartitionsTopic(name="t", count=3)]),
    ),
    (
        handle_elect_leaders,
        m.ElectLeadersRequest(
            topic_partitions=[m.ElectLeadersRequestTopicPartitions(topic="t", partitions=[0])]
        ),
    ),
    (
        handle_alter_partition_reassignments,
        m.AlterPartitionReassignmentsRequest(
            topics=[
                m.ReassignableTopic(
                    name="t",
                    partitions=[m.ReassignablePartition(partition_index=0, replicas=[1])],
                )
            ]
        ),
    ),
]


@pytest.mark.parametrize("timeout_ms", [0, -1])
@pytest.mark.parametrize(("handler", "request_"), ASKED, ids=[h.api_key.name for h, _ in ASKED])
async def test_a_request_that_leaves_no_time_changes_nothing(
    broker: Broker, handler: Handler, request_: Any, timeout_ms: int
) -> None:
    topic = await broker.topics.create("t", 1, {})
    request_.timeout_ms = timeout_ms
    answer = plain(await call(handler, request_, broker))
    assert set(error_codes(answer)) - {0} == {LATE}
    assert [each.name for each in broker.topics] == ["t"]
    assert broker.topics.get("t") is topic
    assert len(topic.partitions) == 1


async def test_what_is_refused_before_the_controller_is_asked_is_told(broker: Broker) -> None:
    twice = [m.CreatableTopic(name="a")] * 2
    answer = await call(
        handle_create_topics, m.CreateTopicsRequest(topics=twice, timeout_ms=0), broker
    )
    assert [each.error_code for each in answer.topics] == [REFUSED]
    neither = m.DeleteTopicsRequest(topics=[m.DeleteTopicState()])
    answer = await call(handle_delete_topics, neither, broker)
    assert [each.error_code for each in answer.responses] == [REFUSED]
    answer = await call(handle_elect_leaders, m.ElectLeadersRequest(timeout_ms=0), broker)
    assert answer.error_code == 0
