"""Causes of a group's being stuck, found in made-up views."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fakebus.broker.activity import Activity, Origin
from fakebus.broker.fetch_positions import Beginning, FetchStream
from fakebus.broker.groups.history import CommitPoint, Search
from fakebus.broker.peer import Peer
from fakebus.lineage.why.explanation import explain
from fakebus.lineage.why.view import (
    GroupEvent,
    GroupView,
    Member,
    OpenTransaction,
    Program,
    Progress,
)
from fakebus.processes import Process
from fakebus.types import TopicPartition

PLACE = TopicPartition("orders", 0)
NOW_MS = 1_000_000
MEMBER = Member(
    member_id="m-1",
    program=Program(client_id="billing"),
    host="/127.0.0.1",
    partitions=(PLACE,),
)


def stream(connection: int, *, sent_to: int = 8, closed_ms: int | None = None) -> FetchStream:
    found = FetchStream("billing", connection, PLACE)
    found.group, found.sent_to, found.closed_ms = "g", sent_to, closed_ms
    found.asked_ms, found.is_waiting = NOW_MS, True
    return found


def progress(**changes: Any) -> Progress:
    facts = {"place": PLACE, "committed": 4, "start": 0, "end": 8, "stable_end": 8}
    return Progress(**{**facts, "member": MEMBER, **changes})


def codes(part: Progress, events: Sequence[GroupEvent] = ()) -> list[str]:
    view = GroupView(
        name="g",
        state="Stable",
        now_ms=NOW_MS,
        since_ms=NOW_MS,
        members=[MEMBER],
        partitions=[part],
        events=events,
    )
    return [cause["code"] for cause in explain(view)["causes"]]


def test_a_transaction_that_is_not_ended_is_told_with_where_it_holds_readers() -> None:
    part = progress(committed=5, stable_end=5, stream=stream(1, sent_to=5))
    view = GroupView(name="g", state="Stable", now_ms=NOW_MS, members=[MEMBER], partitions=[part])
    [cause] = explain(view)["causes"]
    assert cause["code"] == "open_transaction"
    assert "holds back orders[0] from offset 5 on: 3 records" in cause["text"]
    assert cause["evidence"]["partitions"][0]["last_stable_offset"] == 5


def test_the_producer_of_a_transaction_that_is_not_ended_is_named() -> None:
    whose = OpenTransaction("billing-1", 7, "bill\x1bing", NOW_MS - 5000, 60_000)
    part = progress(committed=5, stable_end=5, stream=stream(1, sent_to=5), transaction=whose)
    view = GroupView(name="g", state="Stable", now_ms=NOW_MS, members=[MEMBER], partitions=[part])
    [cause] = explain(view)["causes"]
    assert "the transaction of billing-1 (client bill\\x1bing) that is not ended" in cause["text"]
    assert cause["evidence"]["partitions"][0]["transaction"]["since_ms"] == NOW_MS - 5000


def test_nothing_but_an_open_transaction_is_in_the_way_behind_markers_and_aborted_records() -> None:
    sent = stream(1, sent_to=5)
    sent.marks.append((3, NOW_MS - 60_000))
    part = progress(committed=3, stable_end=5, stream=sent)
    assert codes(part) == ["not_committing"]
    assert codes(replace(part, given_from=5)) == ["open_transaction"]
    assert codes(replace(part, given_from=8, stable_end=8)) == []


def test_a_transaction_ahead_of_a_group_does_not_hold_it_up_yet() -> None:
    assert codes(progress(committed=3, stable_end=5, stream=stream(1, sent_to=5))) == []


def test_a_record_that_three_connections_ended_with_is_poison() -> None:
    ends = [stream(number, closed_ms=NOW_MS - 100) for number in range(3)]
    begun = [Beginning(4, NOW_MS - 500 + at, each) for at, each in enumerate(ends)]
    assert codes(progress(stream=stream(9), beginnings=begun)) == ["poison_record"]
    assert codes(progress(stream=stream(9), beginnings=begun[:2])) == []


@pytest.mark.parametrize(("is_rebalanced", "found"), [(True, []), (False, ["poison_record"])])
def test_a_member_that_keeps_its_partition_over_rebalances_has_not_failed(
    is_rebalanced: bool, found: list[str]
) -> None:
    kept = stream(1)
    begun = [Beginning(4, NOW_MS - 500 + 100 * at, kept) for at in range(4)]
    events = [GroupEvent(each.at_ms - 10, "was assigned", "m-1", "orders[0]") for each in begun]
    part = progress(stream=kept, beginnings=begun)
    assert codes(part, events if is_rebalanced else ()) == found


def test_a_partition_that_goes_from_member_to_member_is_no_poison() -> None:
    others = [stream(number) for number in range(4)]
    begun = [Beginning(4, NOW_MS - 500 + at, each) for at, each in enumerate(others)]
    assert codes(progress(stream=others[-1], beginnings=begun)) == []


def test_evidence_names_process_and_service_of_who_left() -> None:
    process = {"pid": 7, "command": "python shop.py", "directory": "/"}
    program = Program(client_id="billing", service="shop", process=process)
    gone = GroupEvent(NOW_MS - 5000, "expelled", "m-1", "its session timed out", program)
    view = GroupView(
        name="g", state="Empty", now_ms=NOW_MS, partitions=[progress(member=None)], events=[gone]
    )
    [cause] = explain(view)["causes"]
    assert cause["code"] == "no_member"
    assert (cause["evidence"]["service"], cause["evidence"]["process"]) == ("shop", process)


@pytest.mark.parametrize(
    ("is_idle", "ago_ms", "lag", "found"),
    [
        (True, 3000, None, ["no_member"]),
        (True, 1000, None, []),
        (False, 3000, None, []),
        (False, 3000, 4, ["no_member"]),
        (True, 3000, 0, []),
    ],
)
def test_a_member_that_left_and_is_still_connected_has_not_polled(
    is_idle: bool, ago_ms: int, lag: int | None, found: list[str]
) -> None:
    program = Program(client_id="billing", is_idle=is_idle)
    left = GroupEvent(NOW_MS - ago_ms, "left", "m-1", "it left", program)
    committed = None if lag is None else 8 - lag
    view = GroupView(
        name="g",
        state="Empty",
        now_ms=NOW_MS,
        partitions=[progress(member=None, committed=committed)],
        events=[left],
    )
    causes = explain(view)["causes"]
    assert [cause["code"] for cause in causes] == found
    assert ["poll()" in cause["text"] for cause in causes] == [is_idle] * len(found)
    assert ["max.poll.interval.ms" in cause["remedy"] for cause in causes] == [is_idle] * len(found)


def causes_of(**changes: Any) -> list[dict[str, Any]]:
    facts = {"name": "g", "state": "Stable", "now_ms": NOW_MS, "since_ms": NOW_MS - 9000}
    found: list[dict[str, Any]] = explain(GroupView(**{**facts, **changes}))["causes"]
    return found


def test_a_member_that_was_killed_is_not_told_to_poll() -> None:
    program = Program(client_id="billing", is_gone=True)
    gone = GroupEvent(NOW_MS, "expelled", "m-1", "its session timed out", program)
    [cause] = causes_of(state="Empty", partitions=[progress(member=None)], events=[gone])
    assert "it may have been killed, or have crashed" in cause["text"]
    assert "poll()" not in cause["remedy"]


def test_commands_can_be_copied_whatever_clients_call_themselves() -> None:
    name = "billing; touch /tmp/x $(id)"
    lost = progress(member=None, committed=99)
    missing = Activity("asked for", NOW_MS, Origin(front_end="kafka"), "a b", -1, -1, -1)
    reading = replace(MEMBER, topics=frozenset(["a b"]), partitions=())
    view = GroupView(
        name=name,
        state="Empty",
        now_ms=NOW_MS,
        members=[reading],
        partitions=[lost],
        missing_topics=[missing],
        sees_fetches=False,
    )
    remedies = {cause["code"]: cause["remedies"] for cause in explain(view)["causes"]}
    [reset] = [step for step in remedies["offset_out_of_range"] if "--reset" in step]
    words = shlex.split(reset.partition("run: ")[2])
    assert words == ["fakebus", "groups", name, "--reset", "orders=earliest"]
    assert remedies["unknown_topic"][-1].endswith(": fakebus topics --create 'a b'")
    alone = replace(view, members=[], partitions=[progress(member=None)], missing_topics=[])
    [cause] = explain(alone)["causes"]
    look = cause["remedies"][-1].partition("address: ")[2]
    assert cause["remedy"] == "; ".join(cause["remedies"])
    assert shlex.split(look) == ["fakebus", "groups", name]


@pytest.mark.parametrize("verb", ["left", "expelled"])
@pytest.mark.parametrize("reason", ["it left", "it left: poll timeout has expired"])
def test_who_does_not_poll_is_told_to(verb: str, reason: str) -> None:
    gone = GroupEvent(NOW_MS, verb, "m-1", reason, Program(client_id="billing"))
    [cause] = causes_of(state="Empty", partitions=[progress(member=None)], events=[gone])
    is_told = "max.poll.interval.ms" in cause["remedy"]
    assert is_told == (verb == "expelled" or "poll" in reason)
    assert ("was taken out" in cause["text"]) == (verb == "expelled")


def test_a_topic_that_only_asking_has_made_is_wrong_only_if_another_is_meant() -> None:
    asked = Activity(
        "asked for", NOW_MS, Origin(front_end="kafka", client_id="billing"), "ordesr", -1, -1, -1
    )
    reading = replace(MEMBER, topics=frozenset(["ordesr"]), partitions=())
    for topics, codes in (
        ({"ordesr": 0, "orders": 9}, ["unknown_topic"]),
        ({"ordesr": 0, "invoices": 9}, []),
        ({"ordesr": 0, "orders": 0}, []),
        ({"ordesr": 5, "orders": 9}, []),
        ({"orders": 9}, ["unknown_topic"]),
        ({}, ["unknown_topic"]),
    ):
        found = causes_of(members=[reading], topics=topics, missing_topics=[asked])
        assert [cause["code"] for cause in found] == codes, topics
        if found:
            meant = "orders" if "orders" in topics else None
            assert found[0]["evidence"]["did_you_mean"] == meant
            assert ("only because it was asked for" in found[0]["text"]) == ("ordesr" in topics)
    # What others ask for does not concern the group.
    others = asked._replace(origin=Origin(front_end="kafka", client_id="mail"))
    assert causes_of(members=[MEMBER], topics={"orders": 1}, missing_topics=[others]) == []


@pytest.mark.parametrize("pid", [1, 2, None])
def test_a_topic_that_another_process_of_the_same_client_id_asks_for_is_none_of_a_group(
    pid: int | None,
) -> None:
    process = None if pid is None else Process(pid, ("kcat",), "/srv", 1)
    peer = Peer(host="127.0.0.1", port=1, local_port=2, process=process)
    origin = Origin(front_end="kafka", client_id="rdkafka", peer=peer)
    asked = Activity("asked for", NOW_MS, origin, "ordesr", -1, -1, -1)
    member = replace(MEMBER, program=Program(client_id="rdkafka", process={"pid": 1}))
    found = causes_of(members=[member], topics={"orders": 1}, missing_topics=[asked])
    codes = [] if pid == 2 else ["unknown_topic"]
    assert [cause["code"] for cause in found] == codes
    seeker = Peer(host="127.0.0.1", port=3, local_port=2, process=Process(1, ("kcat",), "/srv", 1))
    search = Search("rdkafka", "10.0.0.1:9", NOW_MS - 3000, 3, peer=seeker)
    looking = causes_of(state="Dead", search=search, missing_topics=[asked])
    assert [cause["code"] for cause in looking] == (codes or ["unreachable_address"])


@pytest.mark.parametrize("host", ["172.18.0.4", "172.18.0.5", ""])
def test_a_topic_that_the_same_client_id_asks_for_in_another_container_is_none_of_a_group(
    host: str,
) -> None:
    asking = Peer(host="172.18.0.5", port=1, local_port=2)
    origin = Origin(front_end="kafka", client_id="rdkafka", peer=asking)
    asked = Activity("asked for", NOW_MS, origin, "ordesr", -1, -1, -1)
    codes = [] if host == "172.18.0.4" else ["unknown_topic"]
    member = replace(MEMBER, program=Program(client_id="rdkafka", address=host))
    found = causes_of(members=[member], topics={"orders": 1}, missing_topics=[asked])
    assert [cause["code"] for cause in found] == codes
    seeker = Peer(host=host, port=3, local_port=2)
    search = Search("rdkafka", "10.0.0.1:9", NOW_MS - 3000, 3, peer=seeker)
    looking = causes_of(state="Dead", search=search, missing_topics=[asked])
    assert [cause["code"] for cause in looking] == (codes or ["unreachable_address"])


@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_what_is_not_committed_is_counted_over_partitions(partitions: int) -> None:
    parts = []
    for number in range(partitions):
        reading = stream(1)
        reading.offset = 8
        reading.marks.append((0, NOW_MS - 7000))
        place = TopicPartition("orders", number)
        parts.append(progress(place=place, stream=reading, committed=None if number else 4))
    [cause] = causes_of(members=[MEMBER], partitions=parts)
    assert cause["code"] == "not_committing"
    more = {1: "and has", 2: "and 1 more partition and", 3: "and 2 more partitions and"}
    assert more[partitions] in cause["text"]
    assert "nothing since it committed 4" in cause["text"]
    assert cause["evidence"]["has_ever_committed"]


@pytest.mark.parametrize(
    ("members", "topics", "told"),
    [
        (2, {"orders": 1}, ["idle_members"]),
        (1, {"orders": 1}, []),
        # One that waits for a topic that is not there is told of that.
        (2, {}, ["unknown_topic"]),
    ],
)
def test_members_are_idle_only_if_there_is_something_to_read(
    members: int, topics: dict[str, int], told: list[str]
) -> None:
    idle = replace(MEMBER, member_id="m-2", partitions=(), topics=frozenset(["orders"]))
    found = causes_of(members=[MEMBER, idle][:members], topics=topics)
    assert [cause["code"] for cause in found] == told
    if told == ["idle_members"]:
        assert "--partitions 2" in found[0]["remedy"]
        recent = causes_of(members=[MEMBER, idle], topics=topics, since_ms=NOW_MS - 900)
        assert recent == []


def commits(*offsets: int, step_ms: int = 1000, ended_ms: int = 0) -> list[CommitPoint]:
    end_ms = NOW_MS - ended_ms
    return [
        CommitPoint(end_ms - step_ms * (len(offsets) - at), offset, 1000)
        for at, offset in enumerate(offsets, 1)
    ]


def test_a_member_that_does_not_ask_is_stuck_only_if_its_commits_do_not_move() -> None:
    silent = stream(1)
    silent.is_waiting, silent.asked_ms = False, NOW_MS - 4000
    for points, codes in (
        (commits(3, 4, ended_ms=7000), ["not_fetching"]),
        (commits(3, 4, ended_ms=1000), []),
        ([], ["not_fetching"]),
    ):
        part = progress(stream=silent, commits=points)
        found = causes_of(members=[MEMBER], partitions=[part])
        assert [cause["code"] for cause in found] == codes


def test_a_handler_that_is_busy_is_told_with_the_record_that_it_has() -> None:
    silent = stream(1)
    silent.is_waiting, silent.asked_ms = False, NOW_MS - 4000
    [cause] = causes_of(members=[MEMBER], partitions=[progress(stream=silent, end=5)])
    assert "where 1 record waits, and has not fetched" in cause["text"]
    assert "it is busy with orders[0]@4, or hangs in it" in cause["text"]
    assert "fakebus tail orders --partition 0 --from 4 --count 1" in cause["remedy"]
    silent.sent_to = 4
    [cause] = causes_of(members=[MEMBER], partitions=[progress(stream=silent)])
    assert ("busy" in cause["text"], cause["evidence"]["next_record"]) == (False, None)


def test_a_member_whose_connections_are_closed_does_not_still_send_heartbeats() -> None:
    killed = replace(MEMBER, program=Program(client_id="billing", is_gone=True))
    [cause] = causes_of(members=[killed], partitions=[progress(member=killed)])
    assert "its connection was closed, without leaving" in cause["text"]
    assert "fakebus.evict.on.disconnect=true" in cause["remedy"]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("PreparingRebalance", "nobody gets records until billing has joined again"),
        ("Reconciling", "those that move are not read until billing has given up its own"),
    ],
)
def test_a_rebalance_is_told_as_the_group_s_protocol_has_it(state: str, told: str) -> None:
    late = replace(MEMBER, is_missing=True)
    [cause] = causes_of(state=state, members=[late])
    assert (cause["code"], told in cause["text"]) == ("rebalancing", True), cause["text"]


@pytest.mark.parametrize("state", ["PreparingRebalance", "Reconciling"])
def test_a_rebalance_that_waits_for_a_member_that_was_killed_says_for_how_long(state: str) -> None:
    killed = replace(
        MEMBER,
        program=Program(client_id="billing", is_gone=True),
        is_missing=True,
        session_timeout_ms=45_000,
        rebalance_timeout_ms=300_000,
    )
    waits = replace(MEMBER, member_id="m-2", program=Program(client_id="next"), is_missing=True)
    [cause] = causes_of(state=state, members=[killed, waits])
    assert cause["text"].endswith(
        "until billing is thrown out: its connection was closed, without leaving"
    )
    assert "its session lasts 45 s" in cause["remedy"]
    assert "poll()" not in cause["remedy"]


def test_a_client_that_is_silent_may_send_its_heartbeats_between_records() -> None:
    silent = stream(1)
    silent.is_waiting, silent.asked_ms = False, NOW_MS - 8000
    member = replace(MEMBER, silent_ms=8000, session_timeout_ms=30_000)
    [cause] = causes_of(members=[member], partitions=[progress(stream=silent, member=member)])
    assert "nothing at all was heard of it for 8 s" in cause["text"]
    assert "it is busy with orders[0]@4, or hangs in it" in cause["text"]
    assert "as kafkajs does" in cause["remedy"]


def test_what_has_deleted_records_before_they_were_read_is_told() -> None:
    [cause] = causes_of(members=[MEMBER], partitions=[progress(start=8, lost_by="retention")])
    assert "the log begins at 8: 4 records before were deleted (retention)" in cause["text"]


def test_a_group_that_nobody_has_read_yet_is_told_so() -> None:
    part = progress(member=None, committed=7)
    for commits_, told in (([], "has been in group g yet"), (commits(7), "is in group g")):
        [cause] = causes_of(state="Empty", partitions=[replace(part, commits=commits_)])
        assert cause["text"] == f"no consumer {told}, and 1 record waits for it"
        assert cause["evidence"]["was_read"] == bool(commits_)


def test_a_group_is_slow_only_where_a_member_commits() -> None:
    slow = progress(end=1000, stable_end=1000, commits=commits(0, 2, 4), stream=stream(1))
    [cause] = causes_of(members=[MEMBER], partitions=[slow])
    assert (cause["code"], cause["evidence"]["rate_out"]) == ("slow", 2.0)
    assert cause["evidence"]["seconds_left"] == 498
    for part in (
        replace(slow, member=None),
        replace(slow, committed=1000),
        replace(slow, commits=commits(4)),
        replace(slow, end=8, stable_end=8),
    ):
        assert causes_of(members=[MEMBER], partitions=[part]) == []


def test_a_client_that_looks_for_its_group_does_not_count_while_there_are_members() -> None:
    asked = Activity("asked for", NOW_MS, Origin(front_end="kafka", client_id="x"), "t", -1, -1, -1)
    search = Search("x", "10.0.0.1:9", NOW_MS - 3000, 3)
    facts = {"missing_topics": [asked], "topics": {"orders": 1}}
    assert [each["code"] for each in causes_of(state="Dead", search=search, **facts)] == [
        "unknown_topic"
    ]
    assert causes_of(members=[MEMBER], search=search, **facts) == []
    [cause] = causes_of(state="Dead", search=search)
    assert cause["code"] == "unreachable_address"
    assert "where group g is coordinated" in cause["text"]
    [cause] = causes_of(state="Dead", search=search._replace(only_brokers=True))
    assert "where the brokers are" in cause["text"]
    assert causes_of(state="Dead", search=search._replace(since_ms=NOW_MS - 1999)) == []
    assert causes_of(members=[MEMBER], search=search) == []
