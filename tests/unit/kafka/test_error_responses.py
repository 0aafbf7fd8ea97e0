"""A response that says an error about everything that was asked for."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from fakebus.errors import ErrorCode
from fakebus.kafka.error_responses import error_response, refusing_response
from fakebus.kafka.served import SERVED, ServedApi
from fakebus.protocol import codec, messages
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.schema import api_keys, api_schema
from fuzzing.corpus import filled

ERROR = ErrorCode.NOT_LEADER_OR_FOLLOWER


def codes(message: Any) -> list[int]:
    """Return every error code in a message."""
    found = []
    for name in message.__slots__:
        value = getattr(message, name)
        if name in ("error_code", "partition_error_code"):
            found.append(value)
        for item in value if isinstance(value, list) else ():
            if hasattr(item, "__slots__"):
                found += codes(item)
    return found


@pytest.mark.parametrize("api", SERVED.values(), ids=lambda api: api.api_key.name)
def test_every_api_that_is_served_can_fail(api: ServedApi) -> None:
    key = int(api.api_key)
    for version in range(api.min_version, api.max_version + 1):
        name = codec.api_name(key)
        request = getattr(messages, f"{name}Request")()
        answer = error_response(key, version, request, ERROR)
        assert set(codes(answer)) <= {ERROR.code}
        written = b"".join(map(bytes, codec.encode_response(key, version, answer)))
        assert codec.decode_response(key, version, memoryview(written)) is not None


@pytest.mark.parametrize("key", api_keys())
def test_an_answer_to_any_request_can_be_written(key: int) -> None:
    schema = api_schema(key)
    assert schema is not None
    for version in range(schema.request.versions.min, schema.request.versions.max + 1):
        request = filled(schema.request.root, version, random.Random(version))
        answer = error_response(key, version, request, ERROR)
        written = b"".join(map(bytes, codec.encode_response(key, version, answer)))
        decoded = codec.decode_response(key, version, memoryview(written))
        assert ERROR.code in codes(decoded)


ID = UUID(int=7)


def answer_to(key: ApiKey, version: int, request: Any) -> Any:
    answer = error_response(int(key), version, request, ERROR)
    written = b"".join(map(bytes, codec.encode_response(int(key), version, answer)))
    return codec.decode_response(int(key), version, memoryview(written))


@pytest.mark.parametrize("version", [3, 12, 13])
def test_produce_names_each_partition(version: int) -> None:
    request = messages.ProduceRequest(
        topic_data=[
            messages.TopicProduceData(
                name="t",
                topic_id=ID,
                partition_data=[messages.PartitionProduceData(index=i) for i in (2, 5)],
            )
        ]
    )
    (topic,) = answer_to(ApiKey.PRODUCE, version, request).responses
    assert (topic.topic_id == ID) if version == 13 else (topic.name == "t")
    assert [(p.index, p.error_code, p.base_offset) for p in topic.partition_responses] == [
        (2, ERROR.code, -1),
        (5, ERROR.code, -1),
    ]


def test_fetch_says_it_of_the_partitions_or_of_the_session() -> None:
    request = messages.FetchRequest(
        topics=[
            messages.FetchRequestFetchTopic(
                topic="t", partitions=[messages.FetchRequestFetchPartition(partition=3)]
            )
        ]
    )
    answer = answer_to(ApiKey.FETCH, 11, request)
    assert answer.error_code == 0
    (topic,) = answer.responses
    (partition,) = topic.partitions
    assert (topic.topic, partition.partition_index) == ("t", 3)
    assert (partition.error_code, partition.high_watermark) == (ERROR.code, -1)
    session = answer_to(ApiKey.FETCH, 11, messages.FetchRequest(session_id=9))
    assert (session.error_code, session.responses) == (ERROR.code, [])


def test_bare_names_are_repeated() -> None:
    request = messages.DeleteTopicsRequest(topic_names=["a", "b"])
    answer = answer_to(ApiKey.DELETE_TOPICS, 4, request)
    assert [(t.name, t.error_code) for t in answer.responses] == [
        ("a", ERROR.code),
        ("b", ERROR.code),
    ]
    groups = answer_to(
        ApiKey.DESCRIBE_GROUPS, 5, messages.DescribeGroupsRequest(groups=["g"])
    ).groups
    assert [(g.group_id, g.error_code) for g in groups] == [("g", ERROR.code)]


def test_markers_and_elections_name_the_producer_and_the_partition() -> None:
    marker = messages.WritableTxnMarker(
        producer_id=4711,
        topics=[messages.WritableTxnMarkerTopic(name="t", partition_indexes=[3])],
    )
    written = messages.WriteTxnMarkersRequest(markers=[marker])
    (told,) = answer_to(ApiKey.WRITE_TXN_MARKERS, 1, written).markers
    assert told.producer_id == 4711
    assert [each.partition_index for each in told.topics[0].partitions] == [3]

    topic = messages.ElectLeadersRequestTopicPartitions(topic="t", partitions=[3, 5])
    elected = messages.ElectLeadersRequest(topic_partitions=[topic])
    (result,) = answer_to(ApiKey.ELECT_LEADERS, 2, elected).replica_election_results
    assert [each.partition_id for each in result.partition_result] == [3, 5]

    asked = messages.InitProducerIdRequest(producer_id=4711, producer_epoch=3)
    assert answer_to(ApiKey.INIT_PRODUCER_ID, 4, asked).producer_id == -1


def test_coordinators_are_found_for_nobody() -> None:
    request = messages.FindCoordinatorRequest(coordinator_keys=["g"])
    (one,) = answer_to(ApiKey.FIND_COORDINATOR, 4, request).coordinators
    assert (one.key, one.error_code) == ("g", ERROR.code)
    old = answer_to(ApiKey.FIND_COORDINATOR, 3, messages.FindCoordinatorRequest(key="g"))
    assert old.error_code == ERROR.code


def test_offset_fetch_says_it_of_the_group() -> None:
    group = messages.OffsetFetchRequestGroup(group_id="g", topics=None)
    request = messages.OffsetFetchRequest(groups=[group])
    (answer,) = answer_to(ApiKey.OFFSET_FETCH, 8, request).groups
    assert (answer.group_id, answer.error_code) == ("g", ERROR.code)


def test_a_share_group_that_a_client_may_not_see_is_refused_as_a_whole() -> None:
    topic = messages.DescribeShareGroupOffsetsRequestTopic(topic_name="t", partitions=[0])
    group = messages.DescribeShareGroupOffsetsRequestGroup(group_id="g", topics=[topic])
    request = messages.DescribeShareGroupOffsetsRequest(groups=[group])
    error, api = ErrorCode.GROUP_AUTHORIZATION_FAILED, ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS
    [told] = refusing_response(api, 0, request, error, whole=False).groups
    assert (told.group_id, told.error_code, told.topics) == ("g", error.code, [])


@pytest.mark.parametrize(
    ("api", "request_class"),
    [
        (ApiKey.CONSUMER_GROUP_HEARTBEAT, messages.ConsumerGroupHeartbeatRequest),
        (ApiKey.SHARE_GROUP_HEARTBEAT, messages.ShareGroupHeartbeatRequest),
        (ApiKey.STREAMS_GROUP_HEARTBEAT, messages.StreamsGroupHeartbeatRequest),
    ],
)
def test_a_member_that_is_not_let_in_is_told_nothing_of_itself(
    api: ApiKey, request_class: Any
) -> None:
    error = ErrorCode.GROUP_AUTHORIZATION_FAILED
    version = SERVED[api].max_version
    answer = refusing_response(
        api, version, request_class(group_id="g", member_id="m"), error, whole=True
    )
    assert (answer.error_code, answer.member_id or "", answer.error_message) == (
        error.code,
        "",
        None,
    )


def test_what_is_refused_as_a_whole_names_nothing_of_what_was_asked_for() -> None:
    error, version = ErrorCode.CLUSTER_AUTHORIZATION_FAILED, SERVED[ApiKey.FETCH].max_version
    schema = api_schema(ApiKey.FETCH)
    assert schema is not None
    request = filled(schema.request.root, version, random.Random(1))
    answer = refusing_response(ApiKey.FETCH, version, request, error, whole=True)
    assert (answer.error_code, answer.responses) == (error.code, [])
    version = SERVED[ApiKey.DESCRIBE_CLIENT_QUOTAS].max_version
    quotas = messages.DescribeClientQuotasRequest()
    answer = refusing_response(ApiKey.DESCRIBE_CLIENT_QUOTAS, version, quotas, error, whole=True)
    assert (answer.error_code, answer.entries) == (error.code, None)
