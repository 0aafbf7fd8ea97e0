"""What becomes of transactions when a bus goes back to a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from uuid import UUID

from fakebus.broker.transactions.coordinator import TransactionCoordinator
from fakebus.broker.transactions.markers import COORDINATOR_EPOCH, append_marker
from fakebus.broker.transactions.state import ProducerIdAndEpoch


class TransactionsParticipant:
    """Transactions, as a part of snapshots.

    Producer ids and epochs do not go back: the producers that have them go on. A transaction that
    is open stays open, without what it has written since; one that was open in the logs at the
    snapshot and is none any more is aborted there, because nobody else would.

    Args:
        coordinator: knows what is open.
    """

    name = "transactions"

    def __init__(self, coordinator: TransactionCoordinator) -> None:
        self._coordinator = coordinator

    def mark(self) -> None:
        """Return nothing: the logs tell what was open."""

    async def roll_back(self, mark: None, new_ids: Mapping[UUID, UUID]) -> None:
        """Forget offsets that were to be committed, and abort what nobody will end.

        Raises:
            StorageError: it could not be stored.
        """
        coordinator = self._coordinator
        open_ones = {state.producer_id: state for state in coordinator.ongoing}
        stored: list[Awaitable[object]] = [
            coordinator.save(state.transactional_id, state._replace(offsets={}))
            for state in open_ones.values()
            if state.offsets
        ]
        now_ms = coordinator.clock.now_ms()
        for partition, log in coordinator.topics.logs.items():
            transactions = log.producers.transactions
            for producer_id in tuple(transactions.open.values()) if transactions else ():
                state, entry = open_ones.get(producer_id), log.producers.entries[producer_id]
                producer = ProducerIdAndEpoch(producer_id, entry.epoch)
                if (
                    state is None
                    or partition not in state.partitions
                    or producer.epoch != state.producer_epoch
                ):
                    stored.append(
                        append_marker(log, producer, COORDINATOR_EPOCH, commit=False, now_ms=now_ms)
                    )
        await asyncio.gather(*map(_end, stored))


async def _end(stored: Awaitable[object]) -> None:
    await stored
