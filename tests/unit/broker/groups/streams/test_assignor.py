"""Who gets which tasks, as Kafka's sticky assignor has it."""

from __future__ import annotations

from fakebus.broker.groups.streams.assignor import TaskShare, assign_tasks
from fakebus.broker.groups.streams.topology import TaskId

TASKS = [TaskId(name, number) for name in "01" for number in range(3)]
ALL = TaskShare(frozenset(TASKS))


def active(shares: dict[str, TaskShare]) -> dict[str, list[str]]:
    return {
        member: [f"{name}_{number}" for name, number in sorted(share.active)]
        for member, share in shares.items()
    }


def test_a_second_process_gets_the_last_partitions_of_all_subtopologies() -> None:
    shares = assign_tasks({"a": "p", "b": "q"}, TASKS, frozenset(), 0, {"a": ALL})

    assert active(shares) == {"a": ["0_0", "0_1", "1_0"], "b": ["0_2", "1_1", "1_2"]}


def test_a_process_with_two_threads_gets_twice_as_much() -> None:
    shares = assign_tasks({"a": "p", "b": "p", "c": "q"}, TASKS, frozenset(), 0, {})

    assert [len(tasks) for tasks in active(shares).values()] == [2, 2, 2]


def test_a_task_goes_to_the_member_that_has_a_copy_of_its_state() -> None:
    copies = TaskShare(standby=frozenset(TASKS[:2]))

    shares = assign_tasks({"b": "q", "c": "r"}, TASKS, frozenset("0"), 0, {"c": copies})

    assert set(TASKS[:2]) <= shares["c"].active
    assert len(shares["b"].active) == len(shares["c"].active) == 3


def test_a_copy_is_never_in_the_process_that_runs_the_task() -> None:
    processes = {"a": "p", "b": "p", "c": "q"}

    shares = assign_tasks(processes, TASKS, frozenset("01"), 1, {"a": ALL})

    runs = {task: processes[member] for member, share in shares.items() for task in share.active}
    copied = {task: processes[member] for member, share in shares.items() for task in share.standby}
    assert runs.keys() == copied.keys() == set(TASKS)
    assert all(runs[task] != copied[task] for task in TASKS)


def test_a_single_process_keeps_no_copies() -> None:
    shares = assign_tasks({"a": "p", "b": "p"}, TASKS, frozenset("01"), 1, {})

    assert not shares["a"].standby | shares["b"].standby
    assert len(shares["a"].active) == len(shares["b"].active) == 3


def test_of_members_with_a_copy_one_without_tasks_is_not_passed_over_for_its_processs_load() -> (
    None
):
    processes = {"a": "p", "b": "p", "c": "q"}
    copy = TaskShare(standby=frozenset(TASKS[2:3]))
    before = {"a": copy, "b": TaskShare(frozenset(TASKS[:1])), "c": copy}

    shares = assign_tasks(processes, TASKS[:3], frozenset("0"), 0, before)

    assert active(shares) == {"a": ["0_2"], "b": ["0_0"], "c": ["0_1"]}
