"""Requests that fail for one topic, or one partition of it, while the rest is carried out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from fakebus.errors import ErrorCode
from fakebus.kafka.api import HandlerResult, PendingResponse, RequestContext
from fakebus.kafka.error_responses import error_response
from fakebus.kafka.fault_effects import replace_outcome
from fakebus.kafka.partial_failures import Part, fail_partly
from fakebus.kafka.served import SERVED
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import PartitionProduceData, ProduceRequest, TopicProduceData
from fakebus.protocol.schema import StructSchema, api_schema
from fakebus.protocol.struct_classes import struct_class

ERROR = ErrorCode.NOT_LEADER_OR_FOLLOWER
IDS = {"bad": UUID(int=1), "good": UUID(int=2)}
SPLIT = [
    *(ApiKey.PRODUCE, ApiKey.LIST_OFFSETS, ApiKey.OFFSET_COMMIT, ApiKey.OFFSET_FETCH),
    *(ApiKey.CREATE_TOPICS, ApiKey.DELETE_TOPICS, ApiKey.DELETE_RECORDS, ApiKey.CREATE_PARTITIONS),
    *(ApiKey.OFFSET_FOR_LEADER_EPOCH, ApiKey.ADD_PARTITIONS_TO_TXN, ApiKey.TXN_OFFSET_COMMIT),
    *(ApiKey.DESCRIBE_PRODUCERS, ApiKey.OFFSET_DELETE, ApiKey.ELECT_LEADERS),
    ApiKey.ALTER_PARTITION_REASSIGNMENTS,
]
CASES = [
    (key, version)
    for key in SPLIT
    for version in range(SERVED[key].min_version, SERVED[key].max_version + 1)
]


def request_of(struct: StructSchema, version: int, topics: list[str]) -> Any:
    """Return a request that names topics, each with the partitions 0 and 1, wherever it can."""
    made: Any = struct_class(struct)()
    for field in struct.fields_in(version):
        if not field.is_array:
            continue
        if field.struct is None:
            setattr(made, field.name, topics if field.name == "topic_names" else [])
            continue
        names = {each.name for each in field.struct.fields_in(version)}
        if names & {"name", "topic", "topic_id"}:
            items = [_topic(field.struct, version, name) for name in topics]
        elif field.struct.name.endswith(("Group", "Groups", "Transaction")):
            items = [request_of(field.struct, version, topics)]
        else:
            items = []
        setattr(made, field.name, items)
    return made


def _topic(struct: StructSchema, version: int, name: str) -> Any:
    made: Any = struct_class(struct)()
    for field in struct.fields_in(version):
        if field.name in ("name", "topic"):
            setattr(made, field.name, name)
        elif field.name == "topic_id":
            made.topic_id = IDS[name]
        elif field.is_array and "partition" in field.name.lower():
            setattr(made, field.name, [0, 1] if field.struct is None else _both(field.struct))
    return made


def _both(struct: StructSchema) -> list[Any]:
    made: list[Any] = [struct_class(struct)() for _ in range(2)]
    for index, each in enumerate(made):
        for name in ("partition_index", "index", "partition"):
            if hasattr(each, name):
                setattr(each, name, index)
    return made


def codes(answer: Any, struct: StructSchema, version: int, topic: str = "") -> list[Any]:
    """Return (topic, partition, error) for whatever in an answer has an error of its own."""
    found: list[Any] = []
    topic = getattr(answer, "name", None) or getattr(answer, "topic", None) or topic
    by_id = getattr(answer, "topic_id", None)
    if not topic and by_id in IDS.values():
        topic = next(name for name, each in IDS.items() if each == by_id)
    index = [getattr(answer, name, None) for name in ("partition_index", "index", "partition")]
    for name in ("error_code", "partition_error_code"):
        if topic and hasattr(answer, name):
            found.append(
                (
                    topic,
                    max((i for i in index if i is not None), default=None),
                    getattr(answer, name),
                )
            )
    for field in struct.fields_in(version):
        if field.struct is not None and field.is_array:
            for item in getattr(answer, field.name) or ():
                found += codes(item, field.struct, version, topic)
    return found


def carried_out(
    key: ApiKey, version: int, topics: list[str], partition: int | None
) -> tuple[set[Any], list[Any]]:
    """Return what is answered, and the requests that the handler got."""
    schema = api_schema(int(key))
    assert schema is not None
    request = request_of(schema.request.root, version, topics)
    context = cast(RequestContext, SimpleNamespace(api_key=int(key), api_version=version))
    given: list[Any] = []

    def handler(request: Any, _: RequestContext) -> HandlerResult:
        given.append(request)
        return error_response(int(key), version, request, ErrorCode.NONE)

    part = Part("bad", IDS["bad"], partition, ERROR)
    result = fail_partly(part, handler, request, context, replace_outcome)
    if result is None:
        return set(), given
    outcome: list[Any] = [result]
    if isinstance(result, PendingResponse):
        result.when_settled(outcome.append)
    # What cannot be written to the client is no answer.
    codec.encode_response(int(key), version, outcome[-1])
    return set(codes(outcome[-1], schema.response.root, version)), given


def by_topic(found: set[Any]) -> dict[str, set[int]]:
    return {topic: {code for name, _, code in found if name == topic} for topic, _, _ in found}


@pytest.mark.parametrize("key", SPLIT, ids=lambda key: key.name)
def test_a_topic_fails_and_the_others_are_carried_out(key: ApiKey) -> None:
    for _, version in (case for case in CASES if case[0] is key):
        found, given = carried_out(key, version, ["good", "bad"], None)
        codes_of = by_topic(found)
        assert codes_of["bad"] >= {ERROR.code}, version
        assert codes_of["good"] == {0}, version
        assert "bad" not in repr(given)
        assert str(IDS["bad"]) not in repr(given)
        assert carried_out(key, version, ["good"], None)[1], version
        assert carried_out(key, version, ["bad"], None) == (set(), []), version


@pytest.mark.parametrize("key", SPLIT, ids=lambda key: key.name)
def test_a_partition_fails_and_the_others_are_carried_out(key: ApiKey) -> None:
    for _, version in (case for case in CASES if case[0] is key):
        found, given = carried_out(key, version, ["bad", "good"], 1)
        failed = {(topic, index) for topic, index, code in found if code == ERROR.code}
        fine = {(topic, index) for topic, index, code in found if code == 0}
        if any(index is not None for _, index, _ in found):
            assert failed == {("bad", 1)}, version
            assert fine >= {("bad", 0), ("good", 0), ("good", 1)}, version
        else:
            assert {topic for topic, _ in failed} == {"bad"}, version
        assert len(given) == 1


def test_a_topic_of_which_nothing_is_left_is_not_in_what_is_carried_out() -> None:
    topics = [
        TopicProduceData(name="bad", partition_data=[PartitionProduceData(index=1)]),
        TopicProduceData(name="good", partition_data=[PartitionProduceData(index=1)]),
    ]
    context = cast(RequestContext, SimpleNamespace(api_key=0, api_version=9))
    given: list[Any] = []

    def handler(request: Any, _: RequestContext) -> HandlerResult:
        given.extend(topic.name for topic in request.topic_data)
        return error_response(0, 9, request, ErrorCode.NONE)

    request = ProduceRequest(topic_data=topics)
    fail_partly(Part("bad", None, 1, ERROR), handler, request, context, replace_outcome)
    assert given == ["good"]
