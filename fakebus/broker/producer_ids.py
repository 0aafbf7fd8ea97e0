"""Producer ids: handed out once, never again, also after a restart."""

from __future__ import annotations

from fakebus.storage.interface import MetaStore

BLOCK_SIZE = 1000
"""Ids are reserved in blocks, as in Kafka, so that handing one out seldom waits for storage."""

_NEXT_BLOCK_KEY = "producer.ids.next"


class ProducerIds:
    """The counter of producer ids.

    Args:
        storage: remembers which ids are reserved.
    """

    def __init__(self, storage: MetaStore) -> None:
        self._storage = storage
        self._next = 0
        self._end = 0

    async def allocate(self) -> int:
        """Return a producer id that nobody has had.

        Raises:
            StorageError: the reservation could not be stored.
        """
        while self._next >= self._end:
            start = int(self._storage.get_meta(_NEXT_BLOCK_KEY) or 0)
            end = start + BLOCK_SIZE
            await self._storage.set_meta(_NEXT_BLOCK_KEY, str(end))
            if self._end < end:
                self._next, self._end = start, end
        producer_id = self._next
        self._next += 1
        return producer_id
