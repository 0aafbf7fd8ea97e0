from __future__ import annotations

import pytest

from fakebus.protocol import consumer_protocol
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.messages import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    ConsumerProtocolTopicPartition,
)

PARTITIONS = [ConsumerProtocolTopicPartition(topic="a", partitions=[0, 1])]
SUBSCRIPTION = ConsumerProtocolSubscription(
    topics=["a", "b"],
    user_data=b"xy",
    owned_partitions=PARTITIONS,
    generation_id=7,
    rack_id="r",
)
SUBSCRIPTION_V1 = (
    "0001 00000002 0001 61 0001 62 00000002 7879 00000001 0001 61 00000002 00000000 00000001"
)
SUBSCRIPTION_V3 = SUBSCRIPTION_V1.replace("0001", "0003", 1) + "00000007 0001 72"
ASSIGNMENT = ConsumerProtocolAssignment(assigned_partitions=PARTITIONS)
ASSIGNMENT_V0 = "0000 00000001 0001 61 00000002 00000000 00000001 ffffffff"


def test_a_subscription_is_read_as_it_was_written() -> None:
    data = bytes.fromhex(SUBSCRIPTION_V3)
    assert consumer_protocol.encode_subscription(SUBSCRIPTION) == data
    assert consumer_protocol.decode_subscription(data) == SUBSCRIPTION


def test_an_old_subscription_has_defaults_for_newer_fields() -> None:
    data = bytes.fromhex(SUBSCRIPTION_V1)
    assert consumer_protocol.encode_subscription(SUBSCRIPTION, 1) == data
    read = consumer_protocol.decode_subscription(data)
    assert (read.topics, read.generation_id, read.rack_id) == (["a", "b"], -1, None)


def test_an_assignment_is_read_as_it_was_written() -> None:
    data = bytes.fromhex(ASSIGNMENT_V0)
    assert consumer_protocol.encode_assignment(ASSIGNMENT, 0) == data
    assert consumer_protocol.decode_assignment(bytearray(data)) == ASSIGNMENT


@pytest.mark.parametrize("rest", ["", "ffffffff", "7fffffff", "00000001 7fff"])
def test_the_topics_of_a_subscription_are_known_whatever_follows_what_all_versions_have(
    rest: str,
) -> None:
    data = bytes.fromhex("0003 00000002 0001 61 0001 62 00000002 7879" + rest)
    assert consumer_protocol.subscribed_topics(data) == ["a", "b"]


def test_a_newer_version_is_read_as_our_newest() -> None:
    data = bytes.fromhex(SUBSCRIPTION_V3.replace("0003", "0009", 1) + "ffff")
    assert consumer_protocol.decode_subscription(data) == SUBSCRIPTION


def test_what_is_cut_off_is_refused() -> None:
    for wire, decode in [
        (SUBSCRIPTION_V3, consumer_protocol.decode_subscription),
        (ASSIGNMENT_V0, consumer_protocol.decode_assignment),
    ]:
        data = bytes.fromhex(wire)
        for size in range(len(data)):
            with pytest.raises(DecodeError):
                decode(data[:size])


def test_a_negative_version_is_refused() -> None:
    with pytest.raises(DecodeError, match="no version -1"):
        consumer_protocol.decode_assignment(b"\xff\xff" + bytes(20))


def test_a_version_that_does_not_exist_is_not_written() -> None:
    with pytest.raises(EncodeError, match="no version 4"):
        consumer_protocol.encode_assignment(ASSIGNMENT, 4)
