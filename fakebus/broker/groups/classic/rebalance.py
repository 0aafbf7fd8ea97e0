"""Drives groups through their rebalances: join phase, sync phase, and the time for each.

The rules and their order are those of Kafka's ``GroupMetadataManager``. Nothing in here
awaits: between reading a group and changing it, nobody else runs.

One thing is stricter than in Kafka: the answers that announce a new generation leave when
the generation is stored, so that no generation number is ever given out twice, even when
the process is killed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.classic.group import ClassicGroup, GroupState, PendingMember
from fakebus.broker.groups.classic.member import GroupMember
from fakebus.broker.groups.classic.snapshot import encode_group
from fakebus.broker.groups.history import LEFT, GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.requests import JoinResult, SyncResult
from fakebus.broker.groups.sessions import Session
from fakebus.clock import Clock
from fakebus.errors import ErrorCode

logger = logging.getLogger("fakebus.broker.groups")

NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60 * 1000
"""How long a member may wait for its first join phase to end."""


class Rebalancer:
    """Starts, completes and times the phases of rebalances.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        journal: stores what has to survive.
        history: is told what becomes of members and groups.
    """

    def __init__(
        self, config: BrokerConfig, clock: Clock, journal: GroupJournal, history: GroupHistory
    ) -> None:
        self._config = config
        self._clock = clock
        self._journal = journal
        self._history = history

    # -- sessions --

    def new_session(self, group: ClassicGroup, member_id: str) -> Session:
        """Return a session that is not running yet."""
        return Session(self._clock, partial(self._session_timed_out, group, member_id))

    def _session_timed_out(self, group: ClassicGroup, member_id: str) -> None:
        if not group.members[member_id].keeps_session_by_waiting:
            self.remove(group, (member_id,), "its session timed out")

    def add_pending(
        self, group: ClassicGroup, member_id: str, timeout_ms: int, connection: object | None
    ) -> None:
        """Expect a client to come back with the member id that it was given."""
        reason = "it has not come back with its member id"
        timer = self._clock.call_later(
            timeout_ms / 1000, partial(self.remove, group, (member_id,), reason)
        )
        group.pending_members[member_id] = PendingMember(timer, timeout_ms, connection)

    def expect_again(self, group: ClassicGroup, successor: ClassicGroup) -> None:
        """Let those whom a group expects come back to the one that has taken its place.

        Args:
            group: has pending members, or such as have joined as what was not to be.
            successor: has those members that are stored.
        """
        for member_id, pending in group.pending_members.items():
            self.add_pending(successor, member_id, pending.timeout_ms, pending.connection)
        for member_id, member in group.members.items():
            if member.was_pending and member_id not in successor.members:
                timeout_ms = member.session_timeout_ms
                self.add_pending(successor, member_id, timeout_ms, member.connection)

    def remove(self, group: ClassicGroup, member_ids: Iterable[str], reason: str) -> None:
        """Take members, also pending ones, out of the group; the others go on without them."""
        gone = []
        for member_id in tuple(member_ids):
            member = group.members.get(member_id)
            group.remove(member_id)
            if member is not None:
                gone.append(member_id)
                self.note_removed(group, member, reason)
                # A client that still waits learns that it has to join anew.
                member.answer_join(JoinResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
                member.answer_sync(SyncResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        if gone and group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
            self.prepare_rebalance(group, f"{', '.join(gone)} was removed: {reason}")
        else:
            self.maybe_complete_join(group)

    def note_removed(self, group: ClassicGroup, member: GroupMember, reason: str) -> None:
        """Tell that a member is none any more."""
        logger.info("group %s: member %s is removed: %s", group.group_id, member.member_id, reason)
        verb = "left" if reason.startswith(LEFT) else "expelled"
        self._history.note(verb, group.group_id, member.client_id, member.member_id, reason)

    # -- the join phase --

    def rebalance(self, group: ClassicGroup, reason: str) -> None:
        """Begin a rebalance, or see whether the join phase under way is over."""
        if group.can_rebalance:
            self.prepare_rebalance(group, reason)
        else:
            self.maybe_complete_join(group)

    def prepare_rebalance(self, group: ClassicGroup, reason: str) -> None:
        """Begin the join phase."""
        if group.state is GroupState.COMPLETING_REBALANCE:
            self.fail_sync(group, ErrorCode.REBALANCE_IN_PROGRESS)
        self.stop_sync_timer(group)
        initial = group.is_empty
        group.transition_to(GroupState.PREPARING_REBALANCE, self._clock.now_ms())
        logger.info(
            "preparing to rebalance group %s, generation %d: %s",
            group.group_id,
            group.generation_id,
            reason,
        )
        self._history.note("rebalancing", group.group_id, "", "", reason)
        if initial:
            # The members of a new group tend to arrive together.
            delay_ms = self._config.get_int("group.initial.rebalance.delay.ms")
            rest_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
            self._delay_initial_rebalance(group, delay_ms, delay_ms, rest_ms)
        elif group.has_all_members_joined:
            self.complete_join(group)
        else:
            self._start_join_timer(group)

    def _delay_initial_rebalance(
        self, group: ClassicGroup, step_ms: int, delay_ms: int, rest_ms: int
    ) -> None:
        if delay_ms <= 0:
            self.complete_join(group)
            return
        group.join_timer = self._clock.call_later(
            delay_ms / 1000,
            partial(self._initial_delay_over, group, step_ms, delay_ms, rest_ms),
        )

    def _initial_delay_over(
        self, group: ClassicGroup, step_ms: int, delay_ms: int, rest_ms: int
    ) -> None:
        if group.new_member_added and rest_ms:
            group.new_member_added = False
            self._delay_initial_rebalance(
                group, step_ms, min(step_ms, rest_ms), max(rest_ms - delay_ms, 0)
            )
        else:
            self.complete_join(group)

    def _start_join_timer(self, group: ClassicGroup) -> None:
        self._stop_join_timer(group)
        # At least a millisecond: a group of absent static members may come here again.
        group.join_timer = self._clock.call_later(
            max(group.rebalance_timeout_ms, 1) / 1000, partial(self.complete_join, group)
        )

    def _stop_join_timer(self, group: ClassicGroup) -> None:
        if group.join_timer is not None:
            group.join_timer.cancel()
            group.join_timer = None

    def maybe_complete_join(self, group: ClassicGroup) -> None:
        """End the join phase if nobody is missing; a first rebalance has its delay."""
        if (
            group.state is GroupState.PREPARING_REBALANCE
            and group.previous_state is not GroupState.EMPTY
            and group.has_all_members_joined
        ):
            self.complete_join(group)

    def complete_join(self, group: ClassicGroup) -> None:
        """End the join phase with those who have joined."""
        self._stop_join_timer(group)
        for member in tuple(group.members.values()):
            # Static members keep their place until their session times out (KIP-345).
            if member.awaiting_join is None and not member.is_static:
                self.note_removed(group, member, "it has not joined again in time")
                group.remove(member.member_id)
        if not group.elect_joined_leader() and group.members:
            self._start_join_timer(group)
            return
        group.next_generation(self._clock.now_ms())
        self._journal.save(group.group_id, encode_group(group))
        if group.is_empty:
            logger.info("group %s has no members any more", group.group_id)
            return
        for member in group.members.values():
            self.answer_join(group, member, group.join_result(member))
            member.touch()
            member.is_new = False
            group.pending_sync.add(member.member_id)
        self.start_sync_timer(group)

    def answer_join(self, group: ClassicGroup, member: GroupMember, result: JoinResult) -> None:
        """Let a member's JoinGroup go as soon as what the group has become is stored."""
        future, member.awaiting_join = member.awaiting_join, None
        failure = JoinResult(error=ErrorCode.NOT_COORDINATOR, member_id=member.member_id)
        self._journal.when_stored(
            group.group_id,
            lambda error: settle(future, result if error is ErrorCode.NONE else failure),
        )

    # -- the sync phase --

    def start_sync_timer(self, group: ClassicGroup) -> None:
        """Give the members as long for SyncGroup as they had for JoinGroup."""
        group.sync_timer = self._clock.call_later(
            group.rebalance_timeout_ms / 1000, partial(self._sync_timed_out, group)
        )

    def stop_sync_timer(self, group: ClassicGroup) -> None:
        """Do not wait for SyncGroup requests any more."""
        if group.sync_timer is not None:
            group.sync_timer.cancel()
            group.sync_timer = None

    def _sync_timed_out(self, group: ClassicGroup) -> None:
        group.sync_timer = None
        self.remove(group, group.pending_sync, "it has not sent SyncGroup in time")

    def fail_sync(self, group: ClassicGroup, error: ErrorCode) -> None:
        """Take all assignments back and let go of those who wait for one."""
        for member in group.members.values():
            member.assignment = b""
            if member.answer_sync(SyncResult(error=error)):
                member.touch()

    # -- the end --

    def abandon(self, group: ClassicGroup, error: ErrorCode) -> None:
        """Stop everything about a group that is deleted or unloaded."""
        self._stop_join_timer(group)
        self.stop_sync_timer(group)
        for member in group.members.values():
            member.session.cancel()
            member.answer_join(JoinResult(error=error, member_id=member.member_id))
            member.answer_sync(SyncResult(error=error))
        for member_id in tuple(group.pending_members):
            group.remove(member_id)
        group.transition_to(GroupState.DEAD, self._clock.now_ms())
