"""OffsetCommit and OffsetFetch of consumers without a group's help, beside a real Kafka."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from fakebus.types import ZERO_UUID
from tests.differential.group_cases import commit, fetch_offsets, in_order, new_group
from tests.differential.sides import Side, Sides

pytestmark = pytest.mark.kafka

COMMIT_VERSIONS = range(2, 11)
FETCH_VERSIONS = range(1, 11)
UNKNOWN_ID = UUID("c0ffee00-0000-4000-8000-000000000001")


@pytest.mark.parametrize("version", COMMIT_VERSIONS)
def test_offsets_are_kept(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic, other, group = side.new_topic(2), side.new_topic(), new_group(side)
        first = commit(
            side,
            group,
            version,
            (topic, {0: (5, 0, "note"), 1: (0, -1, None)}),
            (other, {0: (99, 3, "")}),
        )
        fetched = [
            fetch_offsets(side, group, shown, [(topic, [0, 1, 2]), (other, [0])])
            for shown in FETCH_VERSIONS
        ]
        everything = [
            fetch_offsets(side, group, shown, None) for shown in FETCH_VERSIONS if shown > 1
        ]
        return first, fetched, everything

    sides.compare(scenario)


@pytest.mark.parametrize("version", COMMIT_VERSIONS)
def test_offsets_that_are_refused(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic, group = side.new_topic(), new_group(side)
        unknown = UNKNOWN_ID if version >= 10 else "unknown-topic"
        nobody = ZERO_UUID if version >= 10 else "bad name"
        return [
            commit(
                side,
                group,
                version,
                (topic, {0: (-5, -1, "x" * 4096), 1: (1, -1, ""), -1: (1, -1, "")}),
                (unknown, {0: (1, -1, ""), 3: (2, -1, "")}),
                (nobody, {0: (1, -1, "")}),
            ),
            commit(side, group, version, (topic, {0: (3, -1, "x" * 4097)})),
            commit(side, group, version),
            fetch_offsets(side, group, 8, [(topic, [0])]),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", COMMIT_VERSIONS)
@pytest.mark.parametrize("known", [True, False])
def test_who_may_commit(sides: Sides, version: int, known: bool) -> None:
    def scenario(side: Side) -> Any:
        topic, group = side.new_topic(), new_group(side)
        if known:
            commit(side, group, 2, (topic, {0: (1, -1, "")}))
        answers = []
        for generation in (-2, -1, 0, 5):
            for member in ("", "somebody"):
                fields: dict[str, Any] = {
                    "generation_id_or_member_epoch": generation,
                    "member_id": member,
                }
                answers.append(commit(side, group, version, (topic, {0: (7, -1, "")}), **fields))
                if version >= 7:
                    fields["group_instance_id"] = "instance"
                    answers.append(
                        commit(side, group, version, (topic, {0: (8, -1, "")}), **fields)
                    )
        return answers, fetch_offsets(side, group, 8, [(topic, [0])])

    sides.compare(scenario)


@pytest.mark.parametrize("version", COMMIT_VERSIONS)
def test_the_group_without_a_name(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        new_group(side)
        topic = side.new_topic()
        return [
            commit(side, "", version, (topic, {0: (1, -1, "")})),
            fetch_offsets(side, "", 8, [(topic, [0])]),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", FETCH_VERSIONS)
def test_offsets_that_are_not_there(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic, group = side.new_topic(), new_group(side)
        unknown = UNKNOWN_ID if version >= 10 else "unknown-topic"
        nobody = ZERO_UUID if version >= 10 else "bad name"
        asked = [(topic, [0, 7, -1]), (unknown, [0, 1]), (nobody, [0])]
        stable = {"require_stable": True} if version >= 7 else {}
        return [
            fetch_offsets(side, group, version, asked),
            fetch_offsets(side, group, version, asked, **stable),
            fetch_offsets(side, group, version, []),
            fetch_offsets(side, group, version, None) if version > 1 else None,
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [8, 9, 10])
def test_several_groups_at_once(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic, one, two = side.new_topic(), new_group(side), new_group(side)
        commit(side, one, 8, (topic, {0: (4, -1, "")}))
        fields: Any = {"topic_id": side.topic_id(topic)} if version >= 10 else {"name": topic}
        groups = [
            OffsetFetchRequestGroup(
                group_id=group,
                member_id=None,
                member_epoch=-1,
                topics=topics and [OffsetFetchRequestTopics(partition_indexes=[0], **fields)],
            )
            for group, topics in ((one, True), (two, None), (one, None))
        ]
        return in_order(side.ask(ApiKey.OFFSET_FETCH, version, OffsetFetchRequest(groups=groups)))

    sides.compare(scenario)


@pytest.mark.parametrize("version", [9, 10])
@pytest.mark.parametrize("member_id", [None, "", "somebody"])
@pytest.mark.parametrize("member_epoch", [-1, 0, 3])
@pytest.mark.parametrize("known", [True, False])
def test_who_may_fetch(
    sides: Sides, version: int, member_id: str | None, member_epoch: int, known: bool
) -> None:
    def scenario(side: Side) -> Any:
        topic, group = side.new_topic(), new_group(side)
        if known:
            commit(side, group, 8, (topic, {0: (4, -1, "")}))
        asked = OffsetFetchRequestGroup(
            group_id=group, member_id=member_id, member_epoch=member_epoch, topics=None
        )
        return in_order(side.ask(ApiKey.OFFSET_FETCH, version, OffsetFetchRequest(groups=[asked])))

    sides.compare(scenario)
