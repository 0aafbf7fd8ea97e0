"""Assignor of streams groups: who runs which tasks, and who keeps a copy of their state.

Tasks stay with the member that has them as far as all have about the same number. A standby task
is another process's copy of a task's state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fakebus.broker.groups.streams.topology import TaskId


class TaskShare(NamedTuple):
    """Tasks of a member: those that it runs, and those that it keeps a copy of."""

    active: frozenset[TaskId] = frozenset()
    standby: frozenset[TaskId] = frozenset()


NO_TASKS = TaskShare()


def assign_tasks(
    processes: Mapping[str, str],
    tasks: Sequence[TaskId],
    stateful: frozenset[str],
    replicas: int,
    before: Mapping[str, TaskShare],
) -> dict[str, TaskShare]:
    """Return what each member is to have.

    Args:
        processes: the process of each member, by member id.
        tasks: all tasks.
        stateful: the subtopologies that have state.
        replicas: how many standby tasks each of their tasks has.
        before: what each member was to have so far.
    """
    members = list(processes)
    if not members:
        return {}
    active: dict[str, set[TaskId]] = {member: set() for member in members}
    standby: dict[str, set[TaskId]] = {member: set() for member in members}
    least, extra = divmod(len(tasks), len(members))
    left = dict.fromkeys(tasks)
    for member in members:
        kept = [task for task in sorted(before.get(member, NO_TASKS).active) if task in left]
        # As many as divide evenly, and one more as long as there are some over.
        most = least + (extra > 0 and len(kept) > least)
        extra -= most > least
        for task in kept[:most]:
            active[member].add(task)
            del left[task]
    for task in left:
        holders = [each for each in members if task in before.get(each, NO_TASKS).standby]
        least_loaded = min(len(share) for share in active.values())
        # A copy of its state is worth it, unless the member has more to do than others.
        near = [each for each in holders if len(active[each]) == least_loaded]
        taker = min(near or members, key=lambda each: len(active[each]))
        active[taker].add(task)
    owners = {task: member for member, share in active.items() for task in share}
    for task in tasks:
        if task.subtopology_id not in stateful:
            continue
        used = {processes[owners[task]]}
        for _ in range(replicas):
            free = [member for member in members if processes[member] not in used]
            if not free:
                break
            taker = min(
                free,
                key=lambda each: (
                    task not in before.get(each, NO_TASKS).standby,
                    len(standby[each]) + len(active[each]),
                ),
            )
            standby[taker].add(task)
            used.add(processes[taker])
    return {
        member: TaskShare(frozenset(active[member]), frozenset(standby[member]))
        for member in members
    }
