from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.elect_leaders import handle_elect_leaders
from fakebus.protocol.messages import (
    ElectLeadersRequest,
    ElectLeadersRequestTopicPartitions,
)
from tests.unit.kafka.handlers.calling import call


def request(kind: int, *topics: tuple[str, list[int]]) -> ElectLeadersRequest:
    return ElectLeadersRequest(
        election_type=kind,
        topic_partitions=[
            ElectLeadersRequestTopicPartitions(topic=name, partitions=partitions)
            for name, partitions in topics
        ],
    )


@pytest.mark.parametrize(("version", "kind"), [(0, 0), (1, 0), (2, 0), (2, 1)])
async def test_every_partition_has_its_leader(broker: Broker, version: int, kind: int) -> None:
    await broker.topics.create("t", 1, {})
    wanted = request(kind, ("t", [0, 7]), ("nope", [0]))
    response = await call(handle_elect_leaders, wanted, broker, version=version)
    assert response.error_code == 0
    assert [
        (topic.topic, one.partition_id, one.error_code)
        for topic in response.replica_election_results
        for one in topic.partition_result
    ] == [("t", 0, 84), ("t", 7, 3), ("nope", 0, 3)]


async def test_an_election_for_all_partitions_names_topics_and_has_nothing_to_say(
    broker: Broker,
) -> None:
    await broker.topics.create("t", 1, {})
    wanted = ElectLeadersRequest(election_type=0, topic_partitions=None)
    response = await call(handle_elect_leaders, wanted, broker)
    [named] = response.replica_election_results
    assert (response.error_code, named.topic, named.partition_result) == (0, "t", [])


async def test_an_unknown_kind_of_election_is_refused(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    response = await call(handle_elect_leaders, request(7, ("t", [0])), broker)
    assert response.error_code == 42
    assert response.replica_election_results[0].partition_result[0].error_code == 42
