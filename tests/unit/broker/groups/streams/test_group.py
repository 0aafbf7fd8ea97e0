"""Members of a streams group on their way to what they are to have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fakebus.broker.groups.streams.assignor import NO_TASKS, TaskShare
from fakebus.broker.groups.streams.group import StreamsGroup, StreamsMember
from fakebus.broker.groups.streams.topology import TaskId

TASK = TaskId("0", 0)
RUNS, COPIES = TaskShare(frozenset({TASK})), TaskShare(standby=frozenset({TASK}))


def group_of(**members: tuple[str, TaskShare, TaskShare]) -> StreamsGroup:
    """Return a group by members: their processes, what they have, and what they are to have."""
    nothing: Any = SimpleNamespace()
    group = StreamsGroup("app", nothing, 0)
    group.epoch = group.assignment_epoch = 2
    for name, (process, has, target) in members.items():
        group.members[name] = StreamsMember(
            member_id=name, session=nothing, process_id=process, tasks=has, epoch=1
        )
        group.targets[name] = target
    return group


def test_a_copy_of_a_state_waits_until_no_thread_of_its_process_runs_the_task() -> None:
    group = group_of(a=("p", RUNS, NO_TASKS), b=("p", NO_TASKS, COPIES))
    a, b = group.members["a"], group.members["b"]
    group.reconcile(b, NO_TASKS)
    assert (b.tasks, b.epoch, b.is_settled) == (NO_TASKS, 2, False)

    group.reconcile(a, RUNS)
    group.reconcile(b, NO_TASKS)
    assert b.tasks == NO_TASKS
    group.reconcile(a, NO_TASKS)
    group.reconcile(b, NO_TASKS)

    assert (b.tasks, b.is_settled) == (COPIES, True)


def test_a_copy_in_another_process_waits_for_nobody() -> None:
    group = group_of(a=("p", RUNS, NO_TASKS), b=("q", NO_TASKS, COPIES))
    group.reconcile(group.members["b"], NO_TASKS)
    assert group.members["b"].tasks == COPIES


def test_a_task_waits_until_no_thread_of_its_process_has_a_copy_of_its_state() -> None:
    group = group_of(a=("p", COPIES, NO_TASKS), b=("p", NO_TASKS, RUNS))
    a, b = group.members["a"], group.members["b"]
    group.reconcile(b, NO_TASKS)
    assert b.tasks == NO_TASKS

    group.reconcile(a, COPIES)
    assert (a.tasks, a.revoking, a.epoch) == (NO_TASKS, COPIES, 1)
    group.reconcile(a, NO_TASKS)
    group.reconcile(b, NO_TASKS)

    assert b.tasks == RUNS


def test_a_thread_that_has_to_give_up_more_meanwhile_goes_on_by_one_epoch() -> None:
    other = TaskId("0", 1)
    both = TaskShare(frozenset({TASK, other}))
    group = group_of(a=("p", both, RUNS))
    [a] = group.members.values()
    group.reconcile(a, both)
    assert (a.epoch, a.revoking.active) == (1, {other})
    group.epoch = group.assignment_epoch = 5
    group.targets["a"] = NO_TASKS

    group.reconcile(a, RUNS)

    assert (a.epoch, a.previous_epoch, a.tasks, a.revoking) == (2, 1, NO_TASKS, RUNS)
