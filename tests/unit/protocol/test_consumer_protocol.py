from __future__ import annotations

import pytest

from fakebus.protocol import consumer_protocol
from fakebus.protocol.errors import DecodeError
from fakebus.protocol.messages import (
    ConsumerProtocolAssignment,
    ConsumerProtocolTopicPartition,
)

PARTITIONS = [ConsumerProtocolTopicPartition(topic="a", partitions=[0, 1])]
ASSIGNMENT = ConsumerProtocolAssignment(assigned_partitions=PARTITIONS)
ASSIGNMENT_V0 = "0000 00000001 0001 61 00000002 00000000 00000001 ffffffff"


def test_an_assignment_is_read() -> None:
    data = bytearray(bytes.fromhex(ASSIGNMENT_V0))
    assert consumer_protocol.decode_assignment(data) == ASSIGNMENT


@pytest.mark.parametrize("rest", ["", "ffffffff", "7fffffff", "00000001 7fff"])
def test_the_topics_of_a_subscription_are_known_whatever_follows_what_all_versions_have(
    rest: str,
) -> None:
    data = bytes.fromhex("0003 00000002 0001 61 0001 62 00000002 7879" + rest)
    assert consumer_protocol.subscribed_topics(data) == ["a", "b"]


def test_a_newer_version_is_read_as_our_newest() -> None:
    data = bytes.fromhex("0009" + ASSIGNMENT_V0[4:] + "ffff")
    assert consumer_protocol.decode_assignment(data) == ASSIGNMENT


def test_what_is_cut_off_is_refused() -> None:
    for wire, decode in [
        ("0003 00000002 0001 61 0001 62 00000002 7879", consumer_protocol.subscribed_topics),
        (ASSIGNMENT_V0, consumer_protocol.decode_assignment),
    ]:
        data = bytes.fromhex(wire)
        for size in range(len(data)):
            with pytest.raises(DecodeError):
                decode(data[:size])


def test_a_negative_version_is_refused() -> None:
    with pytest.raises(DecodeError, match="no version -1"):
        consumer_protocol.decode_assignment(b"\xff\xff" + bytes(20))
