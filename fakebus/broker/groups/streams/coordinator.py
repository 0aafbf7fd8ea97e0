"""Coordinator of the streams groups: StreamsGroupHeartbeat (KIP-1071).

The rules and their order are those of Kafka's ``GroupMetadataManager``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import partial

from fakebus.broker.configs.group_config import group_config
from fakebus.broker.groups.coordinated import CoordinatedType, fenced_member, unknown_member
from fakebus.broker.groups.group import STREAMS
from fakebus.broker.groups.history import LEFT
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.streams.assignor import TaskShare
from fakebus.broker.groups.streams.group import StreamsGroup, StreamsMember
from fakebus.broker.groups.streams.requests import StreamsHeartbeat, StreamsResult
from fakebus.broker.groups.streams.topology import MAX_NAMES, Status, StatusCode
from fakebus.errors import BrokerError, ErrorCode
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker.groups")

_JOINS, _LEAVES, _AWAY = 0, -1, -2
_MEMBER_FIELDS = (
    *("rack_id", "process_id", "endpoint", "tags"),
    *("rebalance_timeout_ms", "client_id", "client_host"),
)
"""What a client says of itself; a group needs a new epoch when it is something else."""


class StreamsCoordinator(CoordinatedType[StreamsGroup]):
    """Coordinator of the groups of the streams type; its arguments are those of each."""

    # -- members --

    def heartbeat(self, groups: GroupRegistry, request: StreamsHeartbeat) -> StreamsResult:
        """Let a client become, stay or cease to be a member of a group, which need not exist.

        Args:
            groups: all groups.
            request: the heartbeat.

        Raises:
            BrokerError: why it is refused; nothing has changed.
        """
        for error_code, problem in _problems(request):
            raise BrokerError(error_code, problem)
        if request.member_epoch == _JOINS:
            groups.make_way(request.group_id, STREAMS)
        group = groups.get(request.group_id)
        is_new = group is None
        if group is None and request.member_epoch == _JOINS:
            group = self.new_group(request.group_id)
        if not isinstance(group, StreamsGroup):
            name = request.group_id
            problem = f"Streams group {name} not found."
            if group is not None:
                problem = f"Group {name} is not a streams group."
            raise BrokerError(ErrorCode.GROUP_ID_NOT_FOUND, problem)
        if request.member_epoch < _JOINS:
            if request.member_id not in group.members:
                raise unknown_member(group.group_id, request.member_id)
            self._note_shutdown(group, request)
            self.remove(group, (request.member_id,), LEFT)
            return StreamsResult(member_id=request.member_id, member_epoch=request.member_epoch)
        member = self._admit(group, request)
        result = self._stay(group, member, request, is_new=is_new)
        if is_new:
            groups.replace(group)
        return result

    def _admit(self, group: StreamsGroup, request: StreamsHeartbeat) -> StreamsMember:
        member, joins = group.members.get(request.member_id), request.member_epoch == _JOINS
        most = self._config.get_int("group.streams.max.size")
        # As in Kafka, a full group does not take back a member that it still has.
        if joins and len(group.members) >= most:
            raise BrokerError(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                f"The streams group has reached its maximum capacity of {counted(most, 'member')}.",
            )
        if member is None and not joins:
            raise unknown_member(group.group_id, request.member_id)
        if joins and group.topology not in (None, request.topology):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                "Topology updates are not supported yet. To begin with another topology, delete "
                f"group {group.group_id} or choose another application.id.",
            )
        if member is None:
            session = self.session(group, request.member_id)
            member = StreamsMember(member_id=request.member_id, session=session)
            logger.info("group %s: member %s joins", group.group_id, member.member_id)
        elif not joins:
            _check_epoch(member, request)
            if group.configured.is_ready:
                said = TaskShare(request.active or frozenset(), request.standby or frozenset())
                _check_tasks(group.configured.tasks, said)
        return member

    def _stay(
        self,
        group: StreamsGroup,
        member: StreamsMember,
        request: StreamsHeartbeat,
        *,
        is_new: bool,
    ) -> StreamsResult:
        config, before = group_config(group.group_id, self._config), _facts(group, member)
        tasks, now_ms = member.tasks, self._clock.now_ms()
        if group.is_empty:
            delay_ms = config.get_int("streams.initial.rebalance.delay.ms")
            group.delayed_until_ms = now_ms + delay_ms
            group.shut_down_by = ""
        reason = self._update(group, member, request)
        self._note_shutdown(group, request)
        if group.topics_changed or request.topology is not None:
            digest = group.configure()
            if digest != group.topics_digest:
                group.topics_digest, reason = digest, reason or "its tasks have changed"
        replicas = config.get_int("streams.num.standby.replicas")
        if group.replicas not in (None, replicas):
            reason = reason or "the number of standby replicas has changed"
        group.replicas = replicas
        if reason:
            self.next_epoch(group, reason)
        interval_ms = config.get_int("streams.assignment.interval.ms")
        due_ms = max(group.assigned_at_ms + interval_ms * bool(group.assigned_at_ms), 0)
        is_delayed = now_ms < group.delayed_until_ms
        if group.assignment_epoch < group.epoch and now_ms >= due_ms and not is_delayed:
            group.assign(replicas, now_ms)
        group.reconcile(member, request.owned)
        tells = request.member_epoch == _JOINS or member.tasks != tasks
        endpoint_epoch = group.endpoint_epoch + (tells and member.endpoint is not None)
        if not is_new:
            # As in Kafka, the endpoint that a group begins with is shown, and not counted.
            group.endpoint_epoch = endpoint_epoch
        self._time_revocation(group, member)
        member.session_timeout_ms = config.get_int("streams.session.timeout.ms")
        member.session.extend(member.session_timeout_ms)
        if _facts(group, member) != before:
            self.save(group)
        shows = request.endpoint_epoch != endpoint_epoch
        return StreamsResult(
            member_id=member.member_id,
            member_epoch=member.epoch,
            heartbeat_interval_ms=config.get_int("streams.heartbeat.interval.ms"),
            status=tuple(self._status(group, is_delayed=is_delayed)),
            tasks=member.tasks if tells else None,
            endpoint_epoch=group.endpoint_epoch,
            endpoints=tuple(group.endpoints()) if shows else None,
            missing=group.configured.missing,
            topics=group.topology.source_topics if request.topology and group.topology else None,
        )

    @staticmethod
    def _status(group: StreamsGroup, *, is_delayed: bool) -> Iterator[Status]:
        if is_delayed or group.assignment_epoch < group.epoch:
            why = "initial rebalance delay" if is_delayed else "assignment interval"
            detail = f"Assignment delayed due to the configured {why}."
            yield Status(StatusCode.ASSIGNMENT_DELAYED, detail)
        if group.configured.status is not None:
            yield group.configured.status
        if group.shut_down_by:
            yield Status(
                StatusCode.SHUTDOWN_APPLICATION,
                f"Streams group member {group.shut_down_by} encountered a fatal error and "
                "requested a shutdown for the entire application.",
            )

    @staticmethod
    def _note_shutdown(group: StreamsGroup, request: StreamsHeartbeat) -> None:
        if request.shuts_down and not group.shut_down_by:
            group.shut_down_by = request.member_id
            who = group.group_id, request.member_id
            logger.info("group %s: member %s shuts the application down", *who)

    @staticmethod
    def _update(group: StreamsGroup, member: StreamsMember, request: StreamsHeartbeat) -> str:
        """Take over what a client says of itself; return why the group needs a new epoch."""
        is_new = member.member_id not in group.members
        group.members[member.member_id] = member
        reason = f"member {member.member_id} joins" if is_new else ""
        if request.topology is not None:
            group.topology = request.topology
        for name in _MEMBER_FIELDS:
            said = getattr(request, name)
            if said not in (None, -1) and said != getattr(member, name):
                setattr(member, name, said)
                reason = reason or f"member {member.member_id} has changed"
        member.connection = request.connection
        return reason

    # -- time --

    def _time_revocation(self, group: StreamsGroup, member: StreamsMember) -> None:
        """Remove a member that does not give up tasks within its rebalance timeout."""
        if not any(member.revoking):
            member.stop_timer()
        else:
            self.expect(group, member, "it has not given up tasks in time")

    # -- what every type does --

    def new_group(self, group_id: str) -> StreamsGroup:
        """Return a group without members."""
        return StreamsGroup(group_id, self._topics, self._clock.now_ms())

    def load(self, group_id: str, snapshot: bytes | None) -> StreamsGroup:
        """Return a stored group, whose members have their session timeout to call.

        Raises:
            StorageError: the snapshot cannot be read.
        """
        group = self.new_group(group_id)
        group.decode(snapshot, partial(self.session, group))
        for member in group.members.values():
            member.session.extend(member.session_timeout_ms)
            self._time_revocation(group, member)
        return group

    def save(self, group: StreamsGroup) -> None:
        """Store a group as it is now."""
        self._journal.save(group.group_id, group.encode())


def _facts(group: StreamsGroup, member: StreamsMember) -> tuple[object, ...]:
    """Return what is stored of a group and a member, so far as a heartbeat can change it."""
    return (
        *(group.epoch, group.assignment_epoch, group.topology, member.member_id in group.members),
        *(member.rack_id, member.client_id, member.client_host, member.process_id, member.epoch),
        *(member.endpoint, member.tags, member.previous_epoch, member.tasks, member.revoking),
        *(member.rebalance_timeout_ms, member.session_timeout_ms),
    )


def _problems(request: StreamsHeartbeat) -> Iterator[tuple[ErrorCode, str]]:
    """Yield what may be asked of no group."""
    if request.topology is not None:
        for problem in request.topology.name_problems():
            yield ErrorCode.STREAMS_INVALID_TOPOLOGY, problem
    for problem in _request_problems(request):
        yield ErrorCode.INVALID_REQUEST, problem
    if request.topology is not None:
        for topic in request.topology.sized_changelogs():
            problem = f"Changelog topic {topic.name} must have no number of partitions of its own."
            yield ErrorCode.STREAMS_INVALID_TOPOLOGY, problem


def _request_problems(request: StreamsHeartbeat) -> Iterator[str]:
    epoch = request.member_epoch
    for name, text in (
        ("MemberId", request.member_id),
        ("GroupId", request.group_id),
        ("InstanceId", request.instance_id),
        ("RackId", request.rack_id),
    ):
        if text is not None and not text.strip():
            yield f"{name} can't be empty."
    if epoch < _AWAY:
        yield f"MemberEpoch is {epoch}, but must be greater than or equal to {_AWAY}."
    if epoch == _AWAY and request.instance_id is None:
        yield "InstanceId can't be null."
    if request.instance_id is not None:
        yield "Static membership is not yet supported."
    if request.tells_offsets:
        yield "TaskOffsets and TaskEndOffsets are not supported yet."
    yield from _join_problems(request) if epoch == _JOINS else _later_problems(request)


def _later_problems(request: StreamsHeartbeat) -> Iterator[str]:
    if request.topology is not None:
        yield "Topology can only be provided when (re-)joining."
    if request.warmup:
        yield "WarmupTasks must be null or empty."
    kinds = request.active, request.standby, request.warmup
    if None in kinds and kinds != (None, None, None):
        yield "If one task-type is non-null, all must be non-null."


def _join_problems(request: StreamsHeartbeat) -> Iterator[str]:
    if request.rebalance_timeout_ms == -1:
        yield "RebalanceTimeoutMs must be provided in first request."
    if request.topology is None:
        yield "Topology must be non-null when (re-)joining."
    elif request.topology.is_too_large:
        yield f"A topology names at most {MAX_NAMES} topics here."
    for name in ("active", "standby", "warmup"):
        if getattr(request, name) != frozenset():
            yield f"{name.capitalize()}Tasks must be empty when (re-)joining."
    if request.source_patterns:
        yield "Regular expressions for source topics are not supported yet."


def _check_epoch(member: StreamsMember, request: StreamsHeartbeat) -> None:
    epoch, owned = request.member_epoch, request.owned
    has_no_others = owned is not None and not any(owned.without(member.tasks))
    repeats = epoch == member.previous_epoch and has_no_others
    if epoch != member.epoch and not repeats:
        raise fenced_member("streams", epoch, member)


def _check_tasks(sizes: Mapping[str, int], owned: TaskShare) -> None:
    for task in sorted(owned.active | owned.standby):
        size = sizes.get(task.subtopology_id)
        if size is None:
            problem = f"Subtopology {task.subtopology_id} does not exist in the topology."
        elif task.partition not in range(size):
            name, counts = task.subtopology_id, f"Number of tasks for this subtopology: {size}"
            problem = f"Task {task.partition} for subtopology {name} is invalid. {counts}"
        else:
            continue
        raise BrokerError(ErrorCode.INVALID_REQUEST, problem)
