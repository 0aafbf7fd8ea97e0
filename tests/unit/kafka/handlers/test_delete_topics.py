from __future__ import annotations

from uuid import uuid4

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.delete_topics import handle_delete_topics
from fakebus.protocol.messages import DeleteTopicsRequest, DeleteTopicState
from tests.unit.kafka.handlers.calling import call


@pytest.mark.parametrize("version", range(1, 6))
async def test_older_versions_delete_by_name(broker: Broker, version: int) -> None:
    await broker.topics.create("t", 1, {})
    request = DeleteTopicsRequest(topic_names=["t", "nope"], timeout_ms=9000)
    response = await call(handle_delete_topics, request, broker, version=version)
    assert [(result.name, result.error_code) for result in response.responses] == [
        ("t", 0),
        ("nope", 3),
    ]
    assert (response.responses[1].error_message is not None) is (version >= 5)
    assert broker.topics.get("t") is None


async def test_version_6_deletes_by_id_and_tells_the_name(broker: Broker) -> None:
    topic = await broker.topics.create("t", 1, {})
    unknown = uuid4()
    request = DeleteTopicsRequest(
        timeout_ms=9000,
        topics=[
            DeleteTopicState(name=None, topic_id=topic.topic_id),
            DeleteTopicState(name=None, topic_id=unknown),
        ],
    )
    response = await call(handle_delete_topics, request, broker)
    assert [(r.name, r.topic_id, r.error_code) for r in response.responses] == [
        ("t", topic.topic_id, 0),
        (None, unknown, 100),
    ]


@pytest.mark.parametrize(("version", "code"), [(1, 42), (2, 42), (3, 73), (6, 73)])
@pytest.mark.parametrize("timeout_ms", [9000, 0])
async def test_when_deletion_is_switched_off_every_topic_is_answered_so(
    broker: Broker, version: int, code: int, timeout_ms: int
) -> None:
    broker.config.static["delete.topic.enable"] = "false"
    await broker.topics.create("t", 1, {})
    request = DeleteTopicsRequest(
        timeout_ms=timeout_ms,
        topic_names=["t"] if version < 6 else [],
        topics=[DeleteTopicState(name="t")] if version >= 6 else [],
    )
    response = await call(handle_delete_topics, request, broker, version=version)
    assert [(result.name, result.error_code) for result in response.responses] == [("t", code)]
    assert broker.topics.get("t") is not None
