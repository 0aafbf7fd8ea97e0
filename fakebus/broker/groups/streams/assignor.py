"""Assignor of streams groups: who runs which tasks, and who keeps a copy of their state.

The rules are those of Kafka's ``StickyTaskAssignor``, so that tests see tasks move as there: a task
stays with the member that has it, or goes to one that keeps a copy of its state, as long as
that member has not got its part of all tasks; the others go to the process that has the fewest for
each of its members. A standby task is another process's copy of a task's state.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from fakebus.broker.groups.streams.topology import TaskId


class TaskShare(NamedTuple):
    """Tasks of a member: those that it runs, and those that it keeps a copy of."""

    active: frozenset[TaskId] = frozenset()
    standby: frozenset[TaskId] = frozenset()

    def both(self, other: TaskShare) -> TaskShare:
        """Return what is in this share and in another one, of each kind."""
        return TaskShare(self.active & other.active, self.standby & other.standby)

    def without(self, other: TaskShare) -> TaskShare:
        """Return what is in this share and not in another one, of each kind."""
        return TaskShare(self.active - other.active, self.standby - other.standby)

    def joined(self, other: TaskShare) -> TaskShare:
        """Return what is in either of two shares, of each kind."""
        return TaskShare(self.active | other.active, self.standby | other.standby)


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
    if not processes:
        return {}
    copied = [task for task in tasks if task.subtopology_id in stateful]
    assignment = _Assignment(processes, before, len(tasks), len(tasks) + len(copied) * replicas)
    assignment.assign_active(tasks)
    if replicas:
        assignment.assign_standby(copied, replicas)
    return {
        member: TaskShare(
            frozenset(assignment.active[member]), frozenset(assignment.standby[member])
        )
        for member in processes
    }


class _Quota:
    """Most tasks that a member may have; what those with their part leave is divided anew."""

    def __init__(self, tasks: int, members: int) -> None:
        self._tasks, self._members = tasks, members

    @property
    def most(self) -> int:
        return -(-self._tasks // self._members) if self._members else 0

    def note(self, taken: int) -> None:
        """Notice how many tasks a member has now."""
        if taken == self.most:
            self._members -= 1
            self._tasks -= taken


class _Process:
    """Process, how many tasks each of its members has, and all of them."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.tasks: set[TaskId] = set()

    @property
    def load(self) -> float:
        return sum(self.counts.values()) / len(self.counts)


class _Assignment:
    """Assignment that is being made."""

    def __init__(
        self, processes: Mapping[str, str], before: Mapping[str, TaskShare], actives: int, all_: int
    ) -> None:
        self.active: dict[str, set[TaskId]] = {member: set() for member in processes}
        self.standby: dict[str, set[TaskId]] = {member: set() for member in processes}
        self._active_quota = _Quota(actives, len(processes))
        self._quota = _Quota(all_, len(processes))
        by_id = {process: _Process() for process in sorted(set(processes.values()))}
        self._processes = {member: by_id[processes[member]] for member in sorted(processes)}
        self._ran: dict[TaskId, str] = {}
        self._copied: dict[TaskId, list[str]] = {}
        for member, process in self._processes.items():
            process.counts[member] = 0
            share = before.get(member, NO_TASKS)
            self._ran |= dict.fromkeys(share.active, member)
            for task in share.standby:
                self._copied.setdefault(task, []).append(member)
        self._turn = count()
        # Of processes with the same load the one that has waited longest is next.
        self._by_load = [(0.0, next(self._turn), each) for each in by_id.values()]

    def assign_active(self, tasks: Iterable[TaskId]) -> None:
        """Give each task to a member."""
        left = sorted(tasks, key=lambda task: (task.partition, task.subtopology_id))
        for find in (self._ran.get, self._copier):
            for task in list(left):
                member = find(task)
                if member and self._processes[member].counts[member] < self._active_quota.most:
                    self._add(member, task, self.active)
                    left.remove(task)
        self._queue()
        for task in sorted(left):
            self._add_to_least_loaded(task, self.active)

    def assign_standby(self, tasks: Iterable[TaskId], replicas: int) -> None:
        """Give copies of tasks to members of processes that do not have the tasks."""
        left: list[TaskId] = []
        ordered = sorted(tasks, key=lambda task: (task.partition, task.subtopology_id))
        for task in reversed(ordered):
            for number in range(replicas):
                for member in (self._ran.get(task), self._copier(task, apart=True)):
                    process = self._processes[member] if member else None
                    if member and process and task not in process.tasks:
                        if process.counts[member] < self._quota.most:
                            self._add(member, task, self.standby)
                            break
                else:
                    left += [task] * (replicas - number)
                    break
        self._queue()
        for task in sorted(left, reverse=True):
            self._add_to_least_loaded(task, self.standby)

    def _copier(self, task: TaskId, *, apart: bool = False) -> str | None:
        """Return the least loaded member that had a copy; ``apart``: whose process has no other."""
        members = self._copied.get(task, ())
        best: str | None = None
        for member in members:
            process = self._processes[member]
            if best is None:
                best = member
            elif (
                process.load < self._processes[best].load
                and not (apart and task in process.tasks)
                and process.counts[member] < self._processes[best].counts[best]
            ):
                best = member
        return best

    def _queue(self) -> None:
        processes = dict.fromkeys(
            each for _, _, each in sorted(self._by_load, key=lambda row: row[1])
        )
        self._by_load = []
        for process in processes:
            heapq.heappush(self._by_load, (process.load, next(self._turn), process))

    def _add_to_least_loaded(self, task: TaskId, kind: dict[str, set[TaskId]]) -> None:
        passed = []
        while self._by_load:
            _, _, process = heapq.heappop(self._by_load)
            passed.append(process)
            if task not in process.tasks:
                self._add(min(process.counts, key=process.counts.__getitem__), task, kind)
                break
        for process in reversed(passed):
            heapq.heappush(self._by_load, (process.load, next(self._turn), process))

    def _add(self, member: str, task: TaskId, kind: dict[str, set[TaskId]]) -> None:
        process = self._processes[member]
        process.tasks.add(task)
        kind[member].add(task)
        process.counts[member] += 1
        for quota in (self._active_quota, self._quota):
            quota.note(process.counts[member])
