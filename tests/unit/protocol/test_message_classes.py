from __future__ import annotations

import importlib.util
from pathlib import Path
from uuid import UUID

import pytest

from fakebus.protocol import messages
from fakebus.protocol.messages import (
    CreateTopicsRequest,
    FetchRequest,
    FetchRequestFetchPartition,
    FetchResponse,
    HeartbeatRequest,
    LeaderIdAndEpoch,
    MetadataRequest,
    NodeEndpoint,
    PartitionProduceResponse,
    TopicProduceData,
)
from fakebus.protocol.schema import StructSchema, all_messages, parse_message
from fakebus.protocol.struct_classes import struct_class

CHECKOUT = Path(__file__).parents[3]


def test_what_is_left_out_has_kafkas_default() -> None:
    assert FetchRequest().max_bytes == 0x7FFFFFFF
    assert FetchRequest().cluster_id is None
    assert FetchRequest().rack_id == ""
    assert FetchRequestFetchPartition().high_watermark == 2**63 - 1
    assert MetadataRequest().allow_auto_topic_creation is True
    assert CreateTopicsRequest().timeout_ms == 60000
    assert CreateTopicsRequest().validate_only is False
    assert TopicProduceData().topic_id == UUID(int=0)
    assert PartitionProduceResponse().current_leader == LeaderIdAndEpoch(
        leader_id=-1, leader_epoch=-1
    )


def test_mutable_defaults_are_not_shared() -> None:
    first, second = PartitionProduceResponse(), PartitionProduceResponse()
    first.current_leader.leader_id = 3
    first.record_errors.append(None)  # type: ignore[arg-type]
    assert second == PartitionProduceResponse()


def test_messages_are_equal_by_value_and_type() -> None:
    assert HeartbeatRequest(group_id="a") == HeartbeatRequest(group_id="a")
    assert HeartbeatRequest(group_id="a") != HeartbeatRequest(group_id="b")
    assert MetadataRequest() != HeartbeatRequest()
    with pytest.raises(TypeError):
        hash(HeartbeatRequest())


def test_messages_show_their_fields() -> None:
    shown = repr(HeartbeatRequest(group_id="a", generation_id=2))
    assert shown == (
        "HeartbeatRequest(group_id='a', generation_id=2, member_id='', group_instance_id=None)"
    )


def test_messages_take_no_other_fields() -> None:
    with pytest.raises(TypeError):
        HeartbeatRequest(topic="a")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        HeartbeatRequest().topic = "a"  # type: ignore[attr-defined]


def test_a_struct_that_means_the_same_everywhere_has_one_class() -> None:
    response = FetchResponse(node_endpoints=[NodeEndpoint(node_id=1)])
    assert type(response.node_endpoints[0]) is messages.NodeEndpoint
    assert messages.FetchRequestFetchTopic() != messages.ShareFetchRequestFetchTopic()


@pytest.mark.parametrize("name", ["FetchTopic", "Nothing", "_private", "__path__"])
def test_unknown_names_are_no_attributes(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(messages, name)


def fields(struct: StructSchema) -> list[tuple[object, ...]]:
    return [(f.name, f.type, f.is_array, f.default, f.nullable is None) for f in struct.fields]


def test_every_use_of_a_struct_has_the_same_fields() -> None:
    seen: dict[str, list[tuple[object, ...]]] = {}
    for message in all_messages():
        for struct in message.root.walk():
            assert seen.setdefault(struct.name, fields(struct)) == fields(struct), struct.name


def test_every_class_can_be_made() -> None:
    structs = [struct for message in all_messages() for struct in message.root.walk()]
    for struct in structs:
        assert getattr(messages, struct.name) is struct_class(struct)


def test_the_stub_shows_the_classes_as_they_are() -> None:
    script = CHECKOUT / "tools" / "generate_message_stubs.py"
    spec = importlib.util.spec_from_file_location("generate_message_stubs", script)
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    current = generator.STUB.read_text(encoding="utf-8")
    assert current == generator.stub_text(), "run python tools/generate_message_stubs.py"


@pytest.mark.parametrize(
    "text",
    [
        "ARequest 0 flexible none\n  name string 0+",
        "ARequest 0 flexible none\n  name str",
        "ARequest 0 flexible none\n  name str 0+\n    inner str 0+",
        "ARequest 0 flexible none\n    name str 0+",
        "ARequest 0 flexible none\n  name str 0+ extra",
        "ARequest 0 flexibly none\n  name str 0+",
    ],
)
def test_a_definition_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|a struct has fields"):
        parse_message(text, 0)
