"""Groups, their members and their offsets, for scenarios."""

from __future__ import annotations

import struct
import uuid
from typing import Any
from uuid import UUID

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    FindCoordinatorRequest,
    HeartbeatRequest,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestAlterableConfig,
    IncrementalAlterConfigsRequestAlterConfigsResource,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    LeaveGroupRequest,
    MemberIdentity,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    SyncGroupRequest,
    SyncGroupRequestAssignment,
)
from tests.differential.sides import Side, attempts
from tests.wire.client import RawClient

MEMBER_ID_REQUIRED = 79
GROUP_RESOURCE = 32


def subscription(topic: str, user_data: bytes = b"") -> bytes:
    """Return what a consumer says of itself; Kafka never answers a join with anything else."""
    name = topic.encode()
    return struct.pack(f">hih{len(name)}si", 0, 1, len(name), name, len(user_data)) + user_data


Protocols = tuple[tuple[str, bytes], ...]


def protocols(*names: str, user_data: bytes = b"") -> Protocols:
    """Return assignors by preference, each with data of its own."""
    return tuple((name, subscription("topic1", name.encode() + user_data)) for name in names)


DEFAULT_PROTOCOLS = protocols("range", "roundrobin")


def new_group(side: Side) -> str:
    """Return the id of a group whose coordinator is there."""
    group = f"group-{uuid.uuid4().hex[:8]}"
    side.name(group, "group")
    request = FindCoordinatorRequest(key_type=0, coordinator_keys=[group])
    for _ in attempts():
        if side.call(ApiKey.FIND_COORDINATOR, 4, request).coordinators[0].error_code == 0:
            break
    for _ in attempts():
        answer = fetch_offsets(side, group, 8, topics=None)
        if answer["groups"][0]["error_code"] == 0:
            return group
    raise AssertionError(answer)


def configure_group(side: Side, group: str, wanted: dict[str, str]) -> None:
    """Set configs of a group and wait until the broker knows, which Kafka answers before."""
    changes = [
        IncrementalAlterConfigsRequestAlterableConfig(name=name, config_operation=0, value=value)
        for name, value in wanted.items()
    ]
    changed = IncrementalAlterConfigsRequestAlterConfigsResource(
        resource_type=GROUP_RESOURCE, resource_name=group, configs=changes
    )
    change = IncrementalAlterConfigsRequest(resources=[changed])
    answer = side.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, change)
    assert answer.responses[0].error_code == 0, answer
    shown = DescribeConfigsResource(
        resource_type=GROUP_RESOURCE, resource_name=group, configuration_keys=list(wanted)
    )
    for _ in attempts():
        asked = DescribeConfigsRequest(resources=[shown])
        (result,) = side.call(ApiKey.DESCRIBE_CONFIGS, 4, asked).results
        if {each.name: each.value for each in result.configs} == wanted:
            return
    raise AssertionError(result)


def commit(side: Side, group: str, version: int, *topics: Any, **fields: Any) -> Any:
    """Commit (topic name or id, {partition: (offset, epoch, metadata)})."""
    wanted = []
    for topic, offsets in topics:
        partitions = [
            OffsetCommitRequestPartition(
                partition_index=index,
                committed_offset=offset,
                committed_leader_epoch=epoch if version >= 6 else -1,
                committed_metadata=metadata,
            )
            for index, (offset, epoch, metadata) in offsets.items()
        ]
        if version >= 10:
            topic_id = topic if isinstance(topic, UUID) else side.topic_id(topic)
            wanted.append(OffsetCommitRequestTopic(topic_id=topic_id, partitions=partitions))
        else:
            wanted.append(OffsetCommitRequestTopic(name=topic, partitions=partitions))
    request = OffsetCommitRequest(
        group_id=group, topics=wanted, **{"generation_id_or_member_epoch": -1, **fields}
    )
    answer = side.ask(ApiKey.OFFSET_COMMIT, version, request)
    # Kafka puts the partitions that it has refused at once in front.
    return in_order(answer | {"groups": []}) if isinstance(answer, dict) else answer


def fetch_offsets(side: Side, group: str, version: int, topics: Any, **fields: Any) -> Any:
    """Ask for [(topic name or id, partitions)], or for everything."""
    if version < 8:
        asked = topics and [
            OffsetFetchRequestTopic(name=name, partition_indexes=numbers)
            for name, numbers in topics
        ]
        request = OffsetFetchRequest(group_id=group, topics=asked, **fields)
        return in_order(side.ask(ApiKey.OFFSET_FETCH, version, request))
    wanted = None if topics is None else []
    for topic, numbers in topics or ():
        if version >= 10:
            topic_id = topic if isinstance(topic, UUID) else side.topic_id(topic)
            named = OffsetFetchRequestTopics(topic_id=topic_id, partition_indexes=numbers)
        else:
            named = OffsetFetchRequestTopics(name=topic, partition_indexes=numbers)
        assert wanted is not None
        wanted.append(named)
    asked_group = OffsetFetchRequestGroup(
        group_id=group, topics=wanted, member_id=None, member_epoch=-1
    )
    request = OffsetFetchRequest(groups=[asked_group], **fields)
    return in_order(side.ask(ApiKey.OFFSET_FETCH, version, request))


def in_order(answer: Any) -> Any:
    """Sort what Kafka takes from hash maps."""
    if isinstance(answer, dict):
        for group in [answer, *answer["groups"]]:
            group["topics"].sort(key=lambda topic: (topic["name"], str(topic.get("topic_id"))))
            for topic in group["topics"]:
                topic["partitions"].sort(key=lambda partition: partition["partition_index"])
    return answer


class Member:
    """One member of a classic group, with a connection of its own, as its joins wait.

    Args:
        side: The broker.
        group: The group's id.
        version: Of JoinGroup; the other requests have the version of the same age.
        wanted: Its assignors.
        fields: Of JoinGroup, as they are to stay.
    """

    def __init__(
        self,
        side: Side,
        group: str,
        version: int,
        wanted: Protocols = DEFAULT_PROTOCOLS,
        **fields: Any,
    ) -> None:
        self.side, self.group, self.version, self.protocols = side, group, version, wanted
        self.fields = {"session_timeout_ms": 10_000, "protocol_type": "consumer"} | fields
        if version >= 1:
            self.fields.setdefault("rebalance_timeout_ms", 5000)
        self.member_id, self.generation, self.protocol_name = "", -1, None
        self.client = RawClient(side.bootstrap_servers)

    @property
    def instance(self) -> dict[str, Any]:
        """The instance id, where requests have one."""
        found = self.fields.get("group_instance_id")
        return {"group_instance_id": found} if found is not None else {}

    def send_join(self, **fields: Any) -> None:
        wanted = {"group_id": self.group, "member_id": self.member_id, **self.fields, **fields}
        wanted.setdefault(
            "protocols",
            [JoinGroupRequestProtocol(name=name, metadata=data) for name, data in self.protocols],
        )
        self.client.send(ApiKey.JOIN_GROUP, self.version, JoinGroupRequest(**wanted))

    def receive_join(self) -> Any:
        """Return the answer to a join as it is, and take over what it says."""
        _, answer = self.client.receive(ApiKey.JOIN_GROUP, self.version)
        if answer.member_id and self.side.plain(answer.member_id) == answer.member_id:
            self.side.name(answer.member_id, "member")
        if answer.error_code in (0, MEMBER_ID_REQUIRED):
            self.member_id = answer.member_id
        if answer.error_code == 0:
            self.generation, self.protocol_name = answer.generation_id, answer.protocol_name
        return answer

    def join(self, **fields: Any) -> Any:
        """Join alone, and return the answer; one that only gives an id counts."""
        self.send_join(**fields)
        return plain_join(self.side, self.receive_join())

    def enter(self, **fields: Any) -> list[Any]:
        """Join alone, once more if an id must be fetched first; return the answers."""
        answers = [self.join(**fields)]
        if answers[0]["error_code"] == MEMBER_ID_REQUIRED:
            answers.append(self.join(**fields))
        return answers

    def send_sync(self, assignments: dict[str, bytes] | None = None, **fields: Any) -> None:
        wanted = {
            "group_id": self.group,
            "generation_id": self.generation,
            "member_id": self.member_id,
            "assignments": [
                SyncGroupRequestAssignment(member_id=member_id, assignment=data)
                for member_id, data in (assignments or {}).items()
            ],
        }
        version = min(self.version, 5)
        if version >= 3:
            wanted |= self.instance
        if version >= 5:
            wanted |= {"protocol_type": "consumer", "protocol_name": self.protocol_name}
        self.client.send(ApiKey.SYNC_GROUP, version, SyncGroupRequest(**wanted | fields))

    def receive_sync(self) -> Any:
        _, answer = self.client.receive(ApiKey.SYNC_GROUP, min(self.version, 5))
        return self.side.plain(answer)

    def sync(self, assignments: dict[str, bytes] | None = None, **fields: Any) -> Any:
        self.send_sync(assignments, **fields)
        return self.receive_sync()

    def heartbeat(self, **fields: Any) -> Any:
        wanted = {
            "group_id": self.group,
            "generation_id": self.generation,
            "member_id": self.member_id,
        }
        version = min(self.version, 4)
        if version >= 3:
            wanted |= self.instance
        asked = HeartbeatRequest(**wanted | fields)
        return self.side.plain(self.client.call(ApiKey.HEARTBEAT, version, asked))

    def commit(self, topic: str, offset: int, version: int = 8, **fields: Any) -> Any:
        wanted = {
            "generation_id_or_member_epoch": self.generation,
            "member_id": self.member_id,
            **(self.instance if version >= 7 else {}),
        }
        offsets = (topic, {0: (offset, -1, "")})
        return commit(self.side, self.group, version, offsets, **wanted | fields)

    def leave(self, *others: tuple[str, str | None]) -> Any:
        """Leave, or let others leave: (member id, instance id)."""
        version = min(self.version, 5)
        if version < 3:
            member_id = others[0][0] if others else self.member_id
            request = LeaveGroupRequest(group_id=self.group, member_id=member_id)
        else:
            who = others or ((self.member_id, self.instance.get("group_instance_id")),)
            members = [
                MemberIdentity(member_id=member_id, group_instance_id=instance)
                for member_id, instance in who
            ]
            request = LeaveGroupRequest(group_id=self.group, members=members)
        return self.side.plain(self.client.call(ApiKey.LEAVE_GROUP, version, request))

    def close(self) -> None:
        self.client.socket.close()


def plain_join(side: Side, answer: Any) -> Any:
    """Return the answer to a join as plain values; Kafka takes the members from a hash map."""
    plain = side.plain(answer)
    plain["members"].sort(key=lambda member: member["member_id"])
    return plain


def gather(*members: Member) -> list[Any]:
    """Return the answers to joins that were sent, in the order of the members."""
    answers = [member.receive_join() for member in members]
    return [plain_join(members[0].side, answer) for answer in answers]


def stable_pair(side: Side, group: str, version: int, **fields: Any) -> tuple[Member, Member]:
    """Return the leader and a follower of a group that has its assignment."""
    leader = Member(side, group, version, **fields)
    follower = Member(side, group, version, **fields)
    leader.enter()
    follower.send_join()
    if version >= 4:
        follower.receive_join()
        follower.send_join()
    wait_for_rebalance(leader)
    leader.send_join()
    gather(leader, follower)
    share_out(leader, follower)
    return leader, follower


def wait_for_rebalance(member: Member) -> None:
    """Wait until a member is told to join again."""
    rebalance_in_progress = 27
    for _ in attempts():
        if member.heartbeat()["error_code"] == rebalance_in_progress:
            return
    raise AssertionError("no rebalance began")


def share_out(leader: Member, *followers: Member) -> list[Any]:
    """Let the leader give each member something, and return all answers."""
    for follower in followers:
        follower.send_sync()
    everybody = (leader, *followers)
    given = {one.member_id: b"for %d" % n for n, one in enumerate(everybody)}
    answer = leader.sync(given)
    return [answer, *(follower.receive_sync() for follower in followers)]
