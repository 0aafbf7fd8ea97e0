"""Random joins, syncs, heartbeats, departures, restarts and pauses: what must always hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fakebus.broker.groups.requests import JoinResult, LeavingMember, PartitionOffset
from fakebus.errors import ErrorCode
from tests.unit.broker.groups.bench import Bench, protocols, turns

_CLIENTS = st.integers(0, 4)
_REBALANCE_MS = 20_000
_LONGEST_WAIT_S = 5 * 60 + 1
"""No request may wait longer: a new member's first join is the longest."""


@dataclass
class Client:
    """A consumer as it sees itself."""

    number: int
    instance: str | None = None
    member_id: str = ""
    joined: JoinResult | None = None
    joining: asyncio.Future[Any] | None = None
    syncing: asyncio.Future[Any] | None = None
    sync_generation: int = -1
    waits_since: float = 0.0

    @property
    def waiting(self) -> bool:
        return self.joining is not None or self.syncing is not None


class GroupMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bench = Bench(
            group_max_size="4",
            group_initial_rebalance_delay_ms="100",
        )
        self.run(self.bench.start())
        self.clients = [Client(n, instance=f"i{n}" if n > 2 else None) for n in range(5)]
        self.generation = 0
        self.leaders: dict[int, str] = {}
        self.assigned: dict[tuple[int, str], bytes] = {}
        self.committed: dict[int, int] = {}

    def run(self, work: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.bench.coordinator.close()
        self.run(turns())
        self.loop.close()

    # -- what clients do --

    @rule(number=_CLIENTS, changed=st.booleans())
    def join(self, number: int, changed: bool) -> None:
        client = self.clients[number]
        if client.waiting:
            return
        names = ("b", "a") if changed else ("a", "b")
        client.joining = self.run(self._send_join(client, protocols(*names, metadata=b"m")))
        client.waits_since = self.bench.clock.monotonic()
        self._collect()

    async def _send_join(self, client: Client, offered: Any) -> asyncio.Future[Any]:
        return self.bench.send_join(
            client.member_id,
            group_instance_id=client.instance,
            protocols=offered,
            rebalance_timeout_ms=_REBALANCE_MS,
        )

    @rule(number=_CLIENTS)
    def sync(self, number: int) -> None:
        client = self.clients[number]
        joined = client.joined
        if client.waiting or joined is None:
            return
        assignments = {
            m.member_id: f"{joined.generation_id}/{m.member_id}".encode() for m in joined.members
        }
        client.sync_generation = joined.generation_id
        client.waits_since = self.bench.clock.monotonic()
        client.syncing = self.run(self._send_sync(joined, assignments))
        self._collect()

    async def _send_sync(
        self, joined: JoinResult, assignments: dict[str, bytes]
    ) -> asyncio.Future[Any]:
        return self.bench.send_sync(joined, assignments)

    @rule()
    def everybody_goes_on(self) -> None:
        """Let all clients do what a consumer does next, until nothing changes any more."""
        for _ in range(4):
            for client in self.clients:
                if client.waiting:
                    continue
                if client.joined is None:
                    self.join(client.number, changed=False)
                elif client.sync_generation != client.joined.generation_id:
                    self.sync(client.number)
                elif self.bench.heartbeat(client.joined) is ErrorCode.REBALANCE_IN_PROGRESS:
                    self.join(client.number, changed=False)
            self.time_passes(0.1)

    @rule(number=_CLIENTS)
    def heartbeat(self, number: int) -> None:
        client = self.clients[number]
        if client.joined is not None:
            error = self.bench.heartbeat(client.joined)
            if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION):
                client.joined = None
        self._collect()

    @rule(number=_CLIENTS)
    def leave(self, number: int) -> None:
        client = self.clients[number]
        if client.member_id:
            self.run(self.bench.leave(LeavingMember(client.member_id, client.instance)))
            client.member_id, client.joined = "", None
        self._collect()

    @rule(number=_CLIENTS, offset=st.integers(0, 100))
    def commit(self, number: int, offset: int) -> None:
        client = self.clients[number]
        if client.joined is None:
            return
        committed = PartitionOffset("t", number % 4, offset)
        (error,) = self.run(self.bench.commit(committed, joined=client.joined))
        if error is ErrorCode.NONE:
            self.committed[number % 4] = offset
        self._collect()

    @rule(seconds=st.sampled_from([0.001, 0.5, 3.0, 9.0, 10.0, 21.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.bench.advance(seconds))
        self._collect()

    @rule()
    @precondition(lambda self: not any(client.waiting for client in self.clients))
    def broker_restarts(self) -> None:
        self.run(self.bench.restart())

    @rule(number=_CLIENTS)
    def process_is_replaced(self, number: int) -> None:
        client = self.clients[number]
        if not client.waiting:
            client.member_id, client.joined = "", None

    # -- what they are answered --

    def _collect(self) -> None:
        self.run(turns())
        for client in self.clients:
            if client.joining is not None and client.joining.done():
                result, client.joining = client.joining.result(), None
                self._joined(client, result)
            if client.syncing is not None and client.syncing.done():
                result, client.syncing = client.syncing.result(), None
                self._synced(client, result)

    def _joined(self, client: Client, result: JoinResult) -> None:
        client.joined = None
        if result.error is ErrorCode.NONE:
            client.member_id, client.joined = result.member_id, result
            assert result.generation_id >= self.generation
            self.generation = result.generation_id
            assert self.leaders.setdefault(result.generation_id, result.leader) is not None
            if result.members and not result.skip_assignment:
                # Whoever gets the members leads, and nobody else does in this generation.
                assert result.leader == result.member_id
                assert self.leaders[result.generation_id] == result.member_id
        elif result.error is ErrorCode.MEMBER_ID_REQUIRED:
            client.member_id = result.member_id
        else:
            client.member_id = ""

    def _synced(self, client: Client, result: Any) -> None:
        if result.error is not ErrorCode.NONE or not result.assignment:
            return
        generation, _, owner = result.assignment.decode().partition("/")
        assert int(generation) == client.sync_generation
        if client.instance is None:
            assert owner == client.member_id
        else:
            # A static member keeps what its last incarnation was given.
            assert owner.startswith(f"{client.instance}-")

    # -- what always holds --

    @invariant()
    def generation_never_goes_back(self) -> None:
        described = self.bench.coordinator.describe("g")
        if described is not None:
            assert described.generation_id >= self.generation

    @invariant()
    def nobody_waits_longer_than_the_timeouts(self) -> None:
        for client in self.clients:
            if client.waiting:
                assert self.bench.clock.monotonic() - client.waits_since < _LONGEST_WAIT_S

    @invariant()
    def group_is_no_larger_than_allowed_and_its_leader_is_a_member(self) -> None:
        group = self.bench.coordinator._groups.get("g")
        if group is None:
            return
        assert group.is_empty == (not group.members) or group.state.value == "PreparingRebalance"
        assert (group.leader_id in group.members) == bool(group.members)
        assert group.pending_sync <= group.members.keys()
        assert not group.members.keys() & group.pending_members.keys()
        assert set(group.static_members.values()) == {
            m.member_id for m in group.members.values() if m.is_static
        }
        if group.state.value in ("CompletingRebalance", "Stable"):
            assert len(group.members) <= 4

    @invariant()
    def committed_offsets_are_the_last_ones(self) -> None:
        for partition, offset in self.committed.items():
            assert self.bench.committed(partition) == offset


def test_group_holds_its_promises_whatever_the_members_do() -> None:
    run_state_machine_as_test(
        GroupMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
        ),
    )
