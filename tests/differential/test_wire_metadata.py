"""Metadata, ApiVersions and the small requests of a new connection beside a real Kafka."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ApiVersionsRequest,
    FindCoordinatorRequest,
    InitProducerIdRequest,
    MetadataRequest,
    MetadataRequestTopic,
    SaslAuthenticateRequest,
    SaslHandshakeRequest,
)
from fakebus.types import ZERO_UUID
from tests.differential.sides import CLOSED, Side, Sides, attempts

pytestmark = pytest.mark.kafka

VERSIONS = range(14)
UNKNOWN_ID = UUID("c0ffee00-0000-4000-8000-000000000001")
STRANGE_NAMES = ["", ".", "..", "bad name", "ü", "a" * 250, "x/y"]


def metadata(side: Side, version: int, *names: str | None, **fields: Any) -> Any:
    """Return the answer about topics; those of ids are sorted in, as Kafka's are unordered."""
    ids = fields.pop("ids", ())
    topics = [MetadataRequestTopic(name=name) for name in names]
    topics += [MetadataRequestTopic(name=None, topic_id=topic_id) for topic_id in ids]
    request = MetadataRequest(topics=topics, **{"allow_auto_topic_creation": version < 4, **fields})
    answer = side.ask(ApiKey.METADATA, version, request)
    if answer != CLOSED:
        answer["topics"].sort(key=lambda topic: (topic["error_code"], str(topic["name"])))
    return answer


@pytest.mark.parametrize("version", VERSIONS)
def test_topics_that_exist(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        one, two = side.new_topic(), side.new_topic(3)
        found = metadata(side, version, one, two, one)
        for topic in found["topics"]:
            topic["partitions"].sort(key=lambda partition: partition["partition_index"])
        return found

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(4, 14))
def test_topics_that_do_not_exist(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        return metadata(side, version, side.new_topic(), "no-such-topic", *STRANGE_NAMES)

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_topics(sides: Sides, version: int) -> None:
    # In version 0 that means all topics, and the two brokers have different ones.
    def scenario(side: Side) -> Any:
        answer = metadata(side, version)
        return answer if version else sorted(answer)

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(1, 14))
def test_all_topics(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        side.new_topic()
        request = MetadataRequest(topics=None, allow_auto_topic_creation=False)
        answer = side.ask(ApiKey.METADATA, version, request)
        answer["topics"] = [found for found in answer["topics"] if found["name"] == "topic 1"]
        return answer

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(10, 14))
@pytest.mark.parametrize("topic_id", [UNKNOWN_ID, ZERO_UUID])
def test_topics_by_id(sides: Sides, version: int, topic_id: UUID) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        return [
            metadata(side, version, ids=[side.topic_id(topic)]),
            metadata(side, version, ids=[side.topic_id(topic), topic_id]),
            metadata(side, version, ids=[topic_id]),
            metadata(side, version, topic, ids=[topic_id]),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(10, 14))
def test_a_topic_by_both_name_and_id(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        answers = []
        for name, topic_id in ((topic, side.topic_id(topic)), ("other", side.topic_id(topic))):
            asked = MetadataRequestTopic(name=name, topic_id=topic_id)
            request = MetadataRequest(topics=[asked], allow_auto_topic_creation=False)
            answers.append(side.ask(ApiKey.METADATA, version, request))
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(8, 14))
@pytest.mark.parametrize("cluster", [True, False])
@pytest.mark.parametrize("topics", [True, False])
def test_authorized_operations(sides: Sides, version: int, cluster: bool, topics: bool) -> None:
    def scenario(side: Side) -> Any:
        return metadata(
            side,
            version,
            side.new_topic(),
            "no-such-topic",
            include_topic_authorized_operations=topics,
            **({"include_cluster_authorized_operations": cluster} if version < 11 else {}),
        )

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 3, 4, 8, 13])
def test_topics_are_created_when_asked_for(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        name = side.new_name()
        first = metadata(side, version, name, "bad name", allow_auto_topic_creation=True)
        for _ in attempts():
            second = metadata(side, version, name, allow_auto_topic_creation=True)
            if second["topics"][0]["error_code"] == 0:
                break
        # Kafka answers first that it does not know the topic or its leader yet; to know it at
        # once is what every client waits for.
        codes = [topic["error_code"] for topic in first["topics"]]
        assert codes in ([3, 17], [5, 17], [0, 17]), first
        return second

    sides.compare(scenario)


@pytest.mark.parametrize("version", [-1, 5, 6, 32767])
@pytest.mark.parametrize("api_key", [18, 3, 0, 9999, -1])
def test_versions_that_are_not_served(sides: Sides, api_key: int, version: int) -> None:
    if (api_key, version) in ((3, 5), (0, 5), (3, 6), (0, 6)):
        return
    frame = struct.pack(">ihhihb", 11, api_key, version, 77, -1, 0)

    def scenario(side: Side) -> Any:
        answer = side.ask_bytes(frame, ApiKey.API_VERSIONS if api_key == 18 else None)
        return answer

    sides.compare(scenario)


NAMES = ["", " ", "a", "-a", "a-", "a.b-c", "a b", "ü", "a_b", "a\n"]


@pytest.mark.parametrize("version", range(5))
def test_the_names_of_client_software(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        answers = []
        for name in NAMES:
            for fields in (
                {"client_software_name": name, "client_software_version": "1"},
                {"client_software_name": "a", "client_software_version": name},
            ):
                answer = side.ask(ApiKey.API_VERSIONS, version, ApiVersionsRequest(**fields))
                answer["api_keys"] = bool(answer["api_keys"])
                for field in ("supported_features", "finalized_features"):
                    answer[field] = []
                answers.append(answer)
        return answers

    sides.compare(scenario)


def test_the_versions_that_are_served(sides: Sides) -> None:
    """Of the APIs that both serve; which ones are left out stands in docs/skipped.md."""
    answers = [
        side.call(
            ApiKey.API_VERSIONS,
            4,
            ApiVersionsRequest(**{"client_software_name": "a", "client_software_version": "1"}),
        )
        for side in (sides.kafka, sides.bus)
    ]
    expected, actual = (
        {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
        for answer in answers
    )
    assert set(actual) <= set(expected)
    # Features that are not finalized need no more than these.
    assert {key: versions for key, versions in actual.items() if versions != expected[key]} == {}


@pytest.mark.parametrize("version", range(7))
@pytest.mark.parametrize("key_type", [-1, 0, 1, 2, 3])
def test_coordinators(sides: Sides, version: int, key_type: int) -> None:
    def scenario(side: Side) -> Any:
        fields: dict[str, Any] = {"key_type": key_type} if version else {}
        answers = []
        for keys in (["g"], [""], ["g", "h", "g"], []) if version >= 4 else (["g"], [""]):
            request = (
                FindCoordinatorRequest(coordinator_keys=keys, **fields)
                if version >= 4
                else FindCoordinatorRequest(key=keys[0], **fields)
            )
            for _ in attempts():
                answer = side.ask(ApiKey.FIND_COORDINATOR, version, request)
                # Kafka creates the internal topic first.
                if "'error_code': 15" not in str(answer):
                    break
            answers.append(answer)
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_producer_ids(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        side.new_producer_id()  # Kafka fetches the first ones from its controller
        answers = []
        for timeout_ms, producer_id, epoch in (
            (1, -1, -1),
            (0, -1, -1),
            (-1, -1, -1),
            (2**31 - 1, -1, -1),
            (1000, 5, 3),
            (1000, -1, 3),
            (1000, 5, -1),
        ):
            fields = {"producer_id": producer_id, "producer_epoch": epoch} if version >= 3 else {}
            request = InitProducerIdRequest(
                transactional_id=None, transaction_timeout_ms=timeout_ms, **fields
            )
            answers.append(side.ask(ApiKey.INIT_PRODUCER_ID, version, request))
        request = InitProducerIdRequest(transactional_id="", transaction_timeout_ms=1000)
        answers.append(side.ask(ApiKey.INIT_PRODUCER_ID, version, request))
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 1])
def test_a_handshake_without_authentication(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        request = SaslHandshakeRequest(mechanism="PLAIN")
        return [
            side.ask(ApiKey.SASL_HANDSHAKE, version, request),
            metadata(side, 9, side.new_topic()),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_token_without_authentication(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        request = SaslAuthenticateRequest(auth_bytes=b"\0u\0p")
        return [
            side.ask(ApiKey.SASL_AUTHENTICATE, version, request),
            metadata(side, 9, side.new_topic()),
        ]

    sides.compare(scenario)


# A length of -5 stands for null in Kafka, like -1; fakebus takes it for damage.
BROKEN_FRAMES = {
    "length -1": struct.pack(">i", -1),
    "length 0": struct.pack(">i", 0),
    "too long": struct.pack(">i", 104_857_601),
    "half a header": struct.pack(">ihh", 4, 3, 9),
    "no client id": struct.pack(">ihhi", 8, 18, 0, 1),
    "body cut off": struct.pack(">ihhihi", 14, 3, 1, 1, -1, 5),
    "array that is too long": struct.pack(">ihhihi", 14, 3, 1, 1, -1, 2**31 - 1),
    "client id beyond the frame": struct.pack(">ihhih", 10, 18, 0, 1, 700),
}


@pytest.mark.parametrize("name", BROKEN_FRAMES)
def test_broken_frames(sides: Sides, name: str) -> None:
    sides.compare(lambda side: side.ask_bytes(BROKEN_FRAMES[name]))


def test_bytes_behind_a_request_do_no_harm(sides: Sides) -> None:
    frame = struct.pack(">ihhih", 15, 18, 0, 5, -1) + b"extra"

    def scenario(side: Side) -> Any:
        answer = side.ask_bytes(frame, ApiKey.API_VERSIONS)
        return answer if answer == CLOSED else (answer[0], answer[1]["error_code"])

    sides.compare(scenario)
