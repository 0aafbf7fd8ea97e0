"""Classic groups beside a real Kafka: joining, sharing out, leaving, and who is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteGroupsRequest,
    DescribeGroupsRequest,
    JoinGroupRequestProtocol,
    ListGroupsRequest,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tests.differential.group_cases import (
    Member,
    commit,
    fetch_offsets,
    gather,
    new_group,
    plain_join,
    protocols,
    share_out,
    stable_pair,
    subscription,
    wait_for_rebalance,
)
from tests.differential.sides import Side, Sides

pytestmark = pytest.mark.kafka

VERSIONS = range(10)
STATIC_VERSIONS = range(5, 10)


@contextlib.contextmanager
def closing(*members: Member) -> Iterator[None]:
    """Close the members' connections at the end."""
    try:
        yield
    finally:
        for member in members:
            member.close()


def describe(side: Side, group: str, version: int = 5) -> Any:
    request = DescribeGroupsRequest(groups=[group])
    answer = side.ask(ApiKey.DESCRIBE_GROUPS, version, request)
    for found in answer["groups"]:
        found["members"].sort(key=lambda member: member["member_id"])
    return answer


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_alone(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, topic = new_group(side), side.new_topic()
        member = Member(side, group, version)
        with closing(member):
            return [
                member.enter(),
                describe(side, group),
                member.heartbeat(),
                member.commit(topic, 1),
                member.sync({member.member_id: b"everything"}),
                describe(side, group),
                member.sync(),
                member.heartbeat(),
                member.commit(topic, 2),
                member.enter(),
                member.heartbeat(),
                member.sync(),
                member.leave(),
                member.heartbeat(),
                member.leave(),
                member.commit(topic, 3),
                describe(side, group),
                fetch_offsets(side, group, 8, None),
            ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_second_member_comes_and_goes(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, topic = new_group(side), side.new_topic()
        leader, follower = Member(side, group, version), Member(side, group, version)
        with closing(leader, follower):
            told = [leader.enter(), leader.sync({leader.member_id: b"all"})]
            follower.send_join()
            if version >= 4:
                told.append(plain_join(side, follower.receive_join()))
                told.append(leader.heartbeat())
                follower.send_join()
            wait_for_rebalance(leader)
            told += [leader.sync(), leader.commit(topic, 4)]
            if version >= 4:
                told.append(describe(side, group))
            leader.send_join()
            told += gather(leader, follower)
            told += [leader.heartbeat(), leader.commit(topic, 5), follower.commit(topic, 6)]
            told += share_out(leader, follower)
            told += [describe(side, group), leader.commit(topic, 7), follower.commit(topic, 8)]
            told += [follower.sync(), leader.sync({follower.member_id: b"other"})]
            told.append(leader.leave())
            wait_for_rebalance(follower)
            told += [follower.enter(), follower.sync({follower.member_id: b"rest"})]
            told.append(describe(side, group))
            return told

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_who_joins_a_stable_group_again(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group = new_group(side)
        leader, follower = stable_pair(side, group, version)
        with closing(leader, follower):
            # A follower who says nothing new disturbs nobody; a leader wants to share out anew.
            told = [follower.join(), leader.heartbeat(), follower.sync()]
            leader.send_join()
            wait_for_rebalance(follower)
            follower.send_join()
            told += gather(leader, follower)
            # Joining again before the leader has shared out gives the same answer.
            told += [follower.join(), leader.join()]
            told += share_out(leader, follower)
            follower.protocols = protocols("range", "roundrobin", user_data=b" changed")
            follower.send_join()
            wait_for_rebalance(leader)
            leader.send_join()
            told += gather(leader, follower)
            told += share_out(leader, follower)
            return told

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rebalance_while_members_wait_for_the_leader(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group = new_group(side)
        leader, follower = stable_pair(side, group, version)
        with closing(leader, follower):
            leader.send_join()
            wait_for_rebalance(follower)
            follower.send_join()
            told = gather(leader, follower)
            follower.send_sync()
            leader.protocols = protocols("roundrobin", user_data=b" changed")
            leader.send_join()
            told.append(follower.receive_sync())
            follower.send_join()
            told += gather(leader, follower)
            told += share_out(leader, follower)
            return told

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_joins_that_are_refused(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        new_group(side)

        def answer(**fields: Any) -> Any:
            group = new_group(side)
            member = Member(side, group, version)
            with closing(member):
                joined, described = member.join(**fields), describe(side, group)
                # Kafka forgets an empty group some time later, and then calls it dead.
                for found in described["groups"]:
                    if found["group_state"] == "Dead":
                        found["group_state"] = "Empty"
                return joined, described

        return [
            answer(member_id="somebody"),
            answer(session_timeout_ms=1),
            answer(session_timeout_ms=2**31 - 1),
            answer(protocols=[]),
            answer(protocol_type=""),
            answer(group_id=""),
            answer(group_id="", member_id="somebody"),
            answer(protocols=[JoinGroupRequestProtocol(name="", metadata=subscription("topic1"))]),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_protocols_that_do_not_fit_the_group(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group = new_group(side)
        member = Member(side, group, version)
        stranger = Member(side, group, version)
        with closing(member, stranger):
            told = [member.enter(), member.sync({member.member_id: b"all"})]
            none = [JoinGroupRequestProtocol(name="sticky", metadata=subscription("topic1"))]
            told += [
                stranger.join(protocols=none),
                stranger.join(protocols=[]),
                stranger.join(protocol_type="connect"),
                stranger.join(protocol_type=""),
                stranger.join(member_id="somebody"),
                member.join(protocols=none),
                member.join(protocol_type="connect"),
                member.heartbeat(),
                describe(side, group),
            ]
            return told

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("range", "roundrobin"), ("roundrobin", "range")),
        (("range", "sticky"), ("sticky", "roundrobin")),
        (("a", "b", "c"), ("c", "b")),
    ],
)
def test_the_members_vote(
    sides: Sides, version: int, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    def scenario(side: Side) -> Any:
        group = new_group(side)
        one = Member(side, group, version, protocols(*first))
        two = Member(side, group, version, protocols(*second))
        with closing(one, two):
            one.enter()
            two.send_join()
            if version >= 4:
                two.receive_join()
                two.send_join()
            wait_for_rebalance(one)
            one.send_join()
            chosen = gather(one, two)
            return chosen, share_out(one, two), describe(side, group)

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_members_that_are_not_who_they_say(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, topic = new_group(side), side.new_topic()
        member = Member(side, group, version)
        with closing(member):
            told: list[Any] = [member.enter()]
            for _ in range(2):
                told += [
                    member.sync(member_id="somebody"),
                    member.sync(generation_id=7),
                    member.sync(group_id="another"),
                    member.sync(group_id=""),
                    member.heartbeat(member_id="somebody"),
                    member.heartbeat(member_id=""),
                    member.heartbeat(generation_id=7),
                    member.heartbeat(generation_id=-1),
                    member.heartbeat(group_id="another"),
                    member.heartbeat(group_id=""),
                    member.commit(topic, 1, member_id="somebody"),
                    member.commit(topic, 1, generation_id_or_member_epoch=7),
                    member.commit(topic, 1, member_id="", generation_id_or_member_epoch=-1),
                    member.leave(("somebody", None)),
                ]
                if version >= 5:
                    told += [
                        member.sync(protocol_type="connect"),
                        member.sync(protocol_name="sticky"),
                        member.sync(protocol_type=None, protocol_name=None),
                    ]
                told.append(member.sync({member.member_id: b"all", "somebody": b"else"}))
            return told, describe(side, group)

    sides.compare(scenario)


@pytest.mark.parametrize("version", STATIC_VERSIONS)
def test_static_members_come_back(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, topic = new_group(side), side.new_topic()
        leader = Member(side, group, version, group_instance_id="one")
        follower = Member(side, group, version, group_instance_id="two")
        back = Member(side, group, version, group_instance_id="two")
        head = Member(side, group, version, group_instance_id="one")
        with closing(leader, follower, back, head):
            told = [leader.enter(), leader.sync({leader.member_id: b"all"})]
            follower.send_join()
            wait_for_rebalance(leader)
            leader.send_join()
            told += gather(leader, follower)
            told += share_out(leader, follower)
            # The same instance under a new id takes the place of the old, without a rebalance.
            told += [back.join(), leader.heartbeat(), back.sync(), back.heartbeat()]
            told += [follower.heartbeat(), follower.sync(), follower.commit(topic, 1)]
            told += [follower.join(), follower.leave(), describe(side, group)]
            told += [head.join(), head.sync(), head.heartbeat(), back.heartbeat()]
            told += [leader.heartbeat(), describe(side, group)]
            told.append(back.heartbeat(group_instance_id="three"))
            told.append(back.commit(topic, 2, group_instance_id="three"))
            told.append(
                back.leave(("", "two"), ("", "three"), ("somebody", "one"), ("somebody", None))
            )
            told.append(describe(side, group))
            return told

    sides.compare(scenario)


@pytest.mark.parametrize("version", STATIC_VERSIONS)
def test_a_static_member_with_other_protocols_rebalances(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group = new_group(side)
        leader = Member(side, group, version, group_instance_id="one")
        other = Member(side, group, version, protocols("roundrobin"), group_instance_id="one")
        with closing(leader, other):
            told = [leader.enter(), leader.sync({leader.member_id: b"all"})]
            told += [other.join(), other.sync({other.member_id: b"again"}), leader.heartbeat()]
            return told, describe(side, group)

    sides.compare(scenario)


@pytest.mark.parametrize("version", [3, 4, 5])
def test_several_leave_at_once(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group = new_group(side)
        leader, follower = stable_pair(side, group, version + 4)
        with closing(leader, follower):
            told = [
                leader.leave((follower.member_id, None), ("somebody", None), ("", None)),
                describe(side, group),
                leader.leave((leader.member_id, None), (leader.member_id, None)),
                describe(side, group),
                leader.leave(("", "nobody")),
            ]
            return told

    sides.compare(scenario)


@pytest.mark.parametrize("static_leaves_first", [False, True])
def test_who_has_left_a_moment_ago_leaves_once_more(
    sides: Sides, static_leaves_first: bool
) -> None:
    def scenario(side: Side) -> Any:
        group = new_group(side)
        leader = Member(side, group, 5)
        static = Member(side, group, 5, group_instance_id="static")
        with closing(leader, static):
            leader.enter()
            static.send_join()
            wait_for_rebalance(leader)
            leader.send_join()
            gather(leader, static)
            share_out(leader, static)
            first = static if static_leaves_first else leader
            return [
                leader.leave((first.member_id, None), (leader.member_id, "static"), ("", "static")),
                leader.leave((leader.member_id, None), (static.member_id, "static")),
                describe(side, group),
            ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(7))
def test_groups_are_described(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, empty, topic = new_group(side), new_group(side), side.new_topic()
        commit(side, empty, 8, (topic, {0: (1, -1, "")}))
        member = Member(side, group, 5, protocols("range"), group_instance_id="one")
        with closing(member):
            member.enter()
            member.sync({member.member_id: b"all"})
            asked: dict[str, Any] = {"groups": [group, empty, "unknown-group", ""]}
            answers = [side.ask(ApiKey.DESCRIBE_GROUPS, version, DescribeGroupsRequest(**asked))]
            if version >= 3:
                request = DescribeGroupsRequest(**asked, include_authorized_operations=True)
                answers.append(side.ask(ApiKey.DESCRIBE_GROUPS, version, request))
            return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_groups_are_listed(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, empty, topic = new_group(side), new_group(side), side.new_topic()
        commit(side, empty, 8, (topic, {0: (1, -1, "")}))
        member = Member(side, group, 5)

        def listed(**fields: Any) -> Any:
            answer = side.ask(ApiKey.LIST_GROUPS, version, ListGroupsRequest(**fields))
            ours = [row for row in answer["groups"] if str(row["group_id"]).startswith("group ")]
            answer["groups"] = sorted(ours, key=lambda row: str(row["group_id"]))
            return answer

        with closing(member):
            member.enter()
            answers = [listed()]
            if version >= 4:
                states = (["Empty"], ["stable"], ["CompletingRebalance", "Dead"], ["nonsense"])
                answers += [listed(states_filter=list(names)) for names in states]
            if version >= 5:
                kinds = (["classic"], ["Consumer"], ["share", "Classic"], ["nonsense"])
                answers += [listed(types_filter=list(names)) for names in kinds]
            return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(3))
def test_groups_are_deleted(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, empty, topic = new_group(side), new_group(side), side.new_topic()
        commit(side, empty, 8, (topic, {0: (1, -1, "")}))
        member = Member(side, group, 5)

        def deleted(*names: str) -> Any:
            request = DeleteGroupsRequest(groups_names=list(names))
            answer = side.ask(ApiKey.DELETE_GROUPS, version, request)
            answer["results"].sort(key=lambda row: str(row["group_id"]))
            return answer

        with closing(member):
            member.enter()
            answers = [deleted(group, empty, "unknown-group", "")]
            answers += [describe(side, empty), fetch_offsets(side, empty, 8, None)]
            member.sync({member.member_id: b"all"})
            answers += [deleted(group), member.leave(), deleted(group), deleted(group)]
            return answers

    sides.compare(scenario)


@pytest.mark.parametrize("subscribed", [True, False])
def test_offsets_are_deleted(sides: Sides, subscribed: bool) -> None:
    def scenario(side: Side) -> Any:
        group, topic, other = new_group(side), side.new_topic(2), side.new_topic()
        member = Member(side, group, 5, (("range", subscription(topic)),))

        def deleted(group_id: str = group) -> Any:
            wanted = [(topic, (0, 1, 7)), (other, (0,)), ("unknown-topic", (0,))]
            request = OffsetDeleteRequest(
                group_id=group_id,
                topics=[
                    OffsetDeleteRequestTopic(
                        name=asked,
                        partitions=[
                            OffsetDeleteRequestPartition(partition_index=n) for n in numbers
                        ],
                    )
                    for asked, numbers in wanted
                ],
            )
            answer = side.ask(ApiKey.OFFSET_DELETE, 0, request)
            answer["topics"].sort(key=lambda row: str(row["name"]))
            for row in answer["topics"]:
                row["partitions"].sort(key=lambda found: found["partition_index"])
            return answer

        with closing(member):
            commit(side, group, 8, (topic, {0: (1, -1, ""), 1: (2, -1, "")}))
            commit(side, group, 8, (other, {0: (3, -1, "")}))
            if subscribed:
                member.enter()
                member.sync({member.member_id: b"all"})
            return [
                deleted(),
                fetch_offsets(side, group, 8, None),
                deleted("unknown-group"),
                deleted(""),
            ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_who_does_not_join_again_in_time_is_out(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        group, topic = new_group(side), side.new_topic()
        fields: dict[str, Any] = {"rebalance_timeout_ms": 1500} if version >= 1 else {}
        session = 6000 if version >= 1 else 6001
        leader, follower = stable_pair(side, group, version, session_timeout_ms=session, **fields)
        with closing(leader, follower):
            # The answer comes when the follower's time is over: it never joins.
            leader.send_join()
            told = gather(leader)
            told += [follower.heartbeat(), follower.commit(topic, 1), follower.sync()]
            told += [follower.join(), leader.sync({leader.member_id: b"all"})]
            return told, describe(side, group)

    sides.compare(scenario)
