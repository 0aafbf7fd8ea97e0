"""Tasks and sizes of internal topics that follow from a topology."""

from __future__ import annotations

import pytest

from fakebus.broker.groups.streams.assignor import TaskShare, assign_tasks
from fakebus.broker.groups.streams.topology import (
    MAX_NAMES,
    MAX_TASKS,
    InternalTopic,
    StatusCode,
    Subtopology,
    TaskId,
    Topology,
    configure,
)


def topology(*subtopologies: Subtopology) -> Topology:
    return Topology(epoch=0, subtopologies=subtopologies)


def internal(name: str, partitions: int = 0) -> tuple[InternalTopic, ...]:
    return (InternalTopic(name=name, partitions=partitions),)


FIRST = Subtopology(subtopology_id="0", source_topics=("in",), repartition_sinks=("again",))
SECOND = Subtopology(
    subtopology_id="1",
    source_topics=(),
    repartition_sources=internal("again"),
    changelogs=internal("store"),
)


def test_internal_topics_are_as_large_as_what_is_written_to_them() -> None:
    found = configure(topology(FIRST, SECOND), {"in": 3}.get)

    assert found.status is not None
    assert found.status.code is StatusCode.MISSING_INTERNAL_TOPICS
    assert [(topic.name, topic.partitions) for topic in found.missing] == [
        ("again", 3),
        ("store", 3),
    ]


def test_there_is_a_task_for_each_partition_of_the_largest_source() -> None:
    two = Subtopology(subtopology_id="2", source_topics=("in", "wide"))

    found = configure(
        topology(FIRST, SECOND, two), {"in": 3, "wide": 5, "again": 3, "store": 3}.get
    )

    assert found.is_ready
    assert found.tasks == {"0": 3, "1": 3, "2": 5}


def test_a_size_that_an_application_fixes_holds() -> None:
    fixed = Subtopology(
        subtopology_id="1", source_topics=(), repartition_sources=internal("again", 7)
    )

    (missing,) = configure(topology(FIRST, fixed), {"in": 3}.get).missing

    assert missing.partitions == 7


@pytest.mark.parametrize(
    ("sizes", "code", "word"),
    [
        ({}, StatusCode.MISSING_SOURCE_TOPICS, "in"),
        ({"in": 3, "again": 2, "store": 3}, StatusCode.INCORRECTLY_PARTITIONED_TOPICS, "again"),
    ],
)
def test_topics_that_are_not_as_they_have_to_be_are_named(
    sizes: dict[str, int], code: StatusCode, word: str
) -> None:
    status = configure(topology(FIRST, SECOND), sizes.get).status

    assert status is not None
    assert status.code is code
    assert word in status.detail


def test_topics_that_are_joined_are_of_one_size() -> None:
    joined = Subtopology(
        subtopology_id="1",
        source_topics=("in", "other"),
        repartition_sources=internal("again"),
        copartitioned=(("in", "other", "again"),),
    )

    differ = configure(topology(FIRST, joined), {"in": 3, "other": 4}.get).status
    agree = configure(topology(FIRST, joined), {"in": 4, "other": 4}.get)

    assert differ is not None
    assert differ.code is StatusCode.INCORRECTLY_PARTITIONED_TOPICS
    assert [topic.partitions for topic in agree.missing] == [4]


def test_a_repartition_topic_that_nothing_writes_to_has_no_size() -> None:
    status = configure(topology(SECOND), {}.get).status

    assert status is not None
    assert "again" in status.detail


def test_a_topology_comes_back_from_storage_as_it_was() -> None:
    whole = topology(FIRST, SECOND)

    assert Topology.decode(whole.encode()) == whole


def test_topologies_and_their_tasks_are_limited() -> None:
    names = tuple(f"t{n}" for n in range(MAX_NAMES))
    many = Subtopology(subtopology_id="0", source_topics=names)

    status = configure(topology(FIRST), {"in": MAX_TASKS + 1}.get).status

    assert status is not None
    assert status.code is StatusCode.INCORRECTLY_PARTITIONED_TOPICS
    assert topology(many).is_too_large
    assert not topology(FIRST, SECOND).is_too_large


TASKS = [TaskId("0", n) for n in range(5)]


def test_tasks_are_evenly_spread_and_stay_where_they_are() -> None:
    one = assign_tasks({"a": "p"}, TASKS, frozenset(), 0, {})
    two = assign_tasks({"a": "p", "b": "q"}, TASKS, frozenset(), 0, one)
    three = assign_tasks(dict.fromkeys("abc", "p"), TASKS, frozenset(), 0, two)

    assert sorted(len(share.active) for share in two.values()) == [2, 3]
    assert sorted(len(share.active) for share in three.values()) == [1, 2, 2]
    assert two["a"].active <= one["a"].active
    assert three["b"].active <= two["b"].active
    for shares in (two, three):
        assert sorted(task for share in shares.values() for task in share.active) == TASKS


def test_copies_of_state_are_kept_by_other_processes() -> None:
    members = {"a": "p", "b": "p", "c": "q"}

    shares = assign_tasks(members, TASKS, frozenset({"0"}), 2, {})

    for task in TASKS:
        places = [members[name] for name, share in shares.items() if task in share.active]
        copies = [members[name] for name, share in shares.items() if task in share.standby]
        assert sorted(places + copies) == ["p", "q"]


def test_a_member_that_has_a_copy_of_the_state_takes_the_task_over() -> None:
    before = {"b": TaskShare(frozenset(), frozenset({TaskId("0", 0)})), "c": TaskShare()}

    shares = assign_tasks({"c": "p", "b": "q"}, [TaskId("0", 0)], frozenset({"0"}), 0, before)

    assert shares["b"].active == {TaskId("0", 0)}
