"""Rare turns of consumer and streams groups beside a real Kafka, each as one talk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fakebus.protocol import messages as m
from tests.differential.sides import Side, Sides
from tests.differential.test_random_groups import Application, Thread
from tests.differential.test_wire_consumer_groups import Member, Talk

pytestmark = pytest.mark.kafka


class Static(Member):
    """Static member with an id of its own, who reads the first topic.

    Args:
        talk: its group.
        instance: its instance id.
        member_id: its id.
    """

    def __init__(self, talk: Talk, instance: str, member_id: str) -> None:
        super().__init__(talk, 0)
        self._instance = instance
        self.member_id = member_id

    @property
    def instance_id(self) -> str | None:
        return self._instance

    def join(self, topics: int = 1, **fields: Any) -> Any:
        return self.send(
            member_epoch=0,
            rebalance_timeout_ms=60_000,
            subscribed_topic_names=self._talk.topics[:topics],
            server_assignor="range",
            topic_partitions=[],
            **fields,
        )

    def acknowledge(self) -> Any:
        self.owned = dict(self.wanted)
        return self.send(topic_partitions=self.rows(self.owned))

    def go_away(self) -> Any:
        return self.send(member_epoch=-2)


def test_a_static_member_is_replaced_while_it_revokes(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        talk = Talk(side)
        old, other = Static(talk, "a", "old"), Static(talk, "b", "other")
        new, newest = Static(talk, "a", "new"), Static(talk, "a", "newest")
        steps: list[Callable[[], Any]] = [
            *(old.join, old.acknowledge, other.join, old.send),
            # It has been told what to give up, and goes away with it.
            *(old.go_away, new.join, other.send, new.acknowledge, other.send, other.acknowledge),
            lambda: old.send(topic_partitions=old.rows(old.owned)),
            # The next one does not wait until it has gone.
            *(newest.join, new.send),
            *(lambda: other.send(member_epoch=-1), newest.send, newest.acknowledge),
        ]
        return [(step(), talk.described()) for step in steps]

    sides.compare(scenario)


def test_who_replaces_a_static_member_reads_something_else(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        talk = Talk(side)
        old, other = Static(talk, "a", "old"), Static(talk, "b", "other")
        new, another = Static(talk, "a", "new"), Static(talk, "b", "another")
        steps: list[Callable[[], Any]] = [
            *(old.join, old.acknowledge, other.join, old.send, old.go_away),
            *(lambda: new.join(2), other.send, new.acknowledge, other.send, other.acknowledge),
            *(new.send, new.acknowledge, other.go_away, new.send),
            *(lambda: another.join(rack_id="r"), another.acknowledge, new.send),
        ]
        return [(step(), talk.described()) for step in steps]

    sides.compare(scenario)


def _join(
    thread: Thread, member_id: str, epoch: int = 0, *, stateful: bool = True, **more: Any
) -> Any:
    topology = thread.app.topology(stateful=stateful)
    topology.epoch = epoch
    thread.member_id, thread.tasks = member_id, {}
    return thread.send(
        0,
        rebalance_timeout_ms=60_000,
        topology=topology,
        active_tasks=[],
        standby_tasks=[],
        warmup_tasks=[],
        process_id=member_id,
        **{"client_tags": [], **more},
    )


def test_an_application_comes_with_other_topologies(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        app = Application(side)
        one, two = app.threads[0], app.threads[2]
        newer = app.topology(stateful=True)
        newer.epoch = 1
        steps: list[Callable[[], Any]] = [
            *(lambda: _join(one, "a"), one.acknowledge),
            *(lambda: _join(two, "b", 1), one.send, two.send, two.acknowledge),
            *(lambda: _join(one, "a"), lambda: _join(two, "b")),
            lambda: _join(two, "b", stateful=False),
            *(lambda: one.send(topology=newer), one.leave, two.send),
            *(lambda: _join(two, "c", 1), lambda: _join(two, "d"), two.leave),
            *(lambda: _join(two, "e", 5, stateful=False), two.acknowledge, two.send),
        ]
        return [(step(), app.described()) for step in steps]

    sides.compare(scenario)


def test_standby_tasks_come_and_go_with_their_number_and_with_processes(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        app = Application(side)
        a, b, c = app.threads
        places = [
            m.TaskOffset(subtopology_id="1", partition=partition, offset=100 * partition)
            for partition in range(3)
        ]

        def warm_up() -> Any:
            """Warm up what it has not been told to."""
            warm = [m.TaskIds(subtopology_id="1", partitions=[0])]
            tasks: dict[str, Any] = {**b.tasks, "warmup_tasks": warm}
            return b.send(**tasks)

        everybody = [each.acknowledge for each in (a, b, c)] * 3
        steps: list[Callable[[], Any]] = [
            *(lambda: app.standbys("1"), lambda: _join(a, "a"), a.acknowledge),
            *(lambda: _join(b, "b"), *[a.acknowledge, b.acknowledge] * 3),
            lambda: a.send(task_offsets=places, task_end_offsets=places),
            *(lambda: app.standbys("2"), lambda: _join(c, "c"), *everybody),
            *(lambda: app.standbys("0"), *everybody, lambda: app.standbys("1")),
            *(warm_up, *everybody, b.leave, *[a.acknowledge, c.acknowledge] * 3),
        ]
        return [(step(), app.described()) for step in steps]

    sides.compare(scenario)


def test_standby_tasks_of_processes_with_tags_and_racks(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        app = Application(side)
        app.standbys("1")
        joins: list[Callable[[], Any]] = [
            partial(
                _join,
                thread,
                f"m{number}",
                rack_id=zone,
                client_tags=[m.KeyValue(key="zone", value=zone)],
            )
            for number, (thread, zone) in enumerate(zip(app.threads, "112", strict=True))
        ]
        acknowledgements = [each.acknowledge for each in app.threads] * 4
        return [(step(), app.described()) for step in (*joins, *acknowledgements)]

    sides.compare(scenario)
