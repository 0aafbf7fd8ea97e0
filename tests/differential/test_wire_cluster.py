"""What one node says of its cluster, and what it cannot be told to do, beside a real Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterPartitionReassignmentsRequest,
    Cursor,
    DescribableLogDirTopic,
    DescribeClusterRequest,
    DescribeLogDirsRequest,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestTopicRequest,
    ElectLeadersRequest,
    ElectLeadersRequestTopicPartitions,
    ListConfigResourcesRequest,
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
    ReassignablePartition,
    ReassignableTopic,
    UnregisterBrokerRequest,
)
from tests.differential.sides import CLOSED, Side, Sides

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("version", range(3))
@pytest.mark.parametrize("endpoint_type", [0, 1, 2, 3])
def test_the_cluster_is_described(sides: Sides, version: int, endpoint_type: int) -> None:
    def scenario(side: Side) -> Any:
        answers = []
        for operations in (False, True):
            fields: dict[str, Any] = {"include_cluster_authorized_operations": operations}
            if version >= 1:
                fields["endpoint_type"] = endpoint_type
            if version >= 2:
                fields["include_fenced_brokers"] = operations
            request = DescribeClusterRequest(**fields)
            answers.append(side.ask(ApiKey.DESCRIBE_CLUSTER, version, request))
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_partitions_are_described_page_by_page(sides: Sides, limit: int) -> None:
    def scenario(side: Side) -> Any:
        # The names are drawn: those of a scenario are compared by their order.
        topics = sorted(side.new_topic(2) for _ in range(3))
        for number, topic in enumerate(topics):
            side.name(topic, f"sorted {number}")

        def page(cursor: Cursor | None) -> Any:
            asked = [
                DescribeTopicPartitionsRequestTopicRequest(name=name)
                for name in (*topics, "zzz-unknown", "0-unknown", "bad name")
            ]
            request = DescribeTopicPartitionsRequest(
                topics=asked, response_partition_limit=limit, cursor=cursor
            )
            return side.call(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, request)

        pages, cursor = [], None
        while True:
            answer = page(cursor)
            pages.append(
                [
                    (side.plain(row.name), row.error_code, len(row.partitions))
                    for row in answer.topics
                ]
                + [side.plain(answer.next_cursor)]
            )
            if answer.next_cursor is None or len(pages) > 10:
                return pages
            cursor = Cursor(
                topic_name=answer.next_cursor.topic_name,
                partition_index=answer.next_cursor.partition_index,
            )

    sides.compare(scenario)


@pytest.mark.parametrize("limit", [-1, 0, 2000])
@pytest.mark.parametrize("partition", [-1, 0, 1, 9])
def test_pages_that_begin_anywhere(sides: Sides, limit: int, partition: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(3)
        asked = [DescribeTopicPartitionsRequestTopicRequest(name=topic)]
        answers = []
        for name in (topic, "0-before", "zzz-behind"):
            request = DescribeTopicPartitionsRequest(
                topics=asked,
                response_partition_limit=limit,
                cursor=Cursor(topic_name=name, partition_index=partition),
            )
            answers.append(side.ask(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, request))
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(1, 6))
def test_log_directories(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(2)
        answers = []
        for topics in (
            [DescribableLogDirTopic(topic=topic, partitions=[0, 1, 7])],
            [DescribableLogDirTopic(topic="unknown-topic", partitions=[0])],
            [],
        ):
            request = DescribeLogDirsRequest(topics=topics)
            answer = side.call(ApiKey.DESCRIBE_LOG_DIRS, version, request)
            [directory] = answer.results
            found = side.plain(directory.topics)
            for row in found:
                row["partitions"].sort(key=lambda each: each["partition_index"])
            answers.append((answer.error_code, directory.error_code, found))
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(3))
@pytest.mark.parametrize("election_type", [0, 1, 5])
def test_leaders_are_elected(sides: Sides, version: int, election_type: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(2)
        fields = {"timeout_ms": 5000}
        if version >= 1:
            fields["election_type"] = election_type
        wanted = [
            ElectLeadersRequestTopicPartitions(topic=topic, partitions=[0, 1, 7]),
            ElectLeadersRequestTopicPartitions(topic="unknown-topic", partitions=[0]),
        ]
        answers = []
        for asked in (wanted, wanted[1:], []):
            request = ElectLeadersRequest(topic_partitions=asked, **fields)
            answer = side.ask(ApiKey.ELECT_LEADERS, version, request)
            if answer != CLOSED:
                answer["replica_election_results"].sort(key=lambda row: str(row["topic"]))
                for row in answer["replica_election_results"]:
                    row["partition_result"].sort(key=lambda found: found["partition_id"])
            answers.append(answer)
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(2))
def test_partitions_are_reassigned(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(4)
        wanted: list[tuple[int, list[int] | None]] = [
            (0, [1]),
            (1, [1, 1]),
            (2, [99]),
            (3, None),
            (7, [1]),
            (8, []),
        ]
        request = AlterPartitionReassignmentsRequest(
            timeout_ms=5000,
            topics=[
                ReassignableTopic(
                    name=name,
                    partitions=[
                        ReassignablePartition(partition_index=index, replicas=replicas)
                        for index, replicas in asked
                    ],
                )
                for name, asked in ((topic, wanted), ("unknown-topic", [(0, [1])]))
            ],
        )
        changed = side.ask(ApiKey.ALTER_PARTITION_REASSIGNMENTS, version, request)
        listed = [
            side.ask(
                ApiKey.LIST_PARTITION_REASSIGNMENTS,
                0,
                ListPartitionReassignmentsRequest(timeout_ms=5000, topics=topics),
            )
            for topics in (
                None,
                [ListPartitionReassignmentsTopics(name=topic, partition_indexes=[0, 7])],
                [ListPartitionReassignmentsTopics(name="unknown-topic", partition_indexes=[0])],
            )
        ]
        return changed, listed

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(2))
@pytest.mark.parametrize("kinds", [[], [4], [8], [16], [32], [4, 8], [2], [0], [99]])
def test_resources_with_configs_are_listed(sides: Sides, version: int, kinds: list[int]) -> None:
    def scenario(side: Side) -> Any:
        topic = side.plain(side.new_topic())
        fields = {"resource_types": kinds} if version >= 1 else {}
        answer = side.ask(
            ApiKey.LIST_CONFIG_RESOURCES, version, ListConfigResourcesRequest(**fields)
        )
        if answer == CLOSED:
            return answer
        # Groups and topics of other scenarios are there too.
        found = {
            (row.get("resource_type"), row["resource_name"])
            for row in answer["config_resources"]
            if row.get("resource_type") not in (2, 32) or row["resource_name"] == topic
        }
        return answer["error_code"], sorted(found, key=str)

    sides.compare(scenario)


@pytest.mark.parametrize("broker_id", [99, -1])
def test_a_broker_that_is_not_there_cannot_be_unregistered(sides: Sides, broker_id: int) -> None:
    asked = UnregisterBrokerRequest(broker_id=broker_id)
    sides.compare(lambda side: side.ask(ApiKey.UNREGISTER_BROKER, 0, asked))
