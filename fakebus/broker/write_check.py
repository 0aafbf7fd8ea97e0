"""Whether what clients write is stored, for those who ask whether the bus is well."""

from __future__ import annotations

from fakebus.clock import Clock
from fakebus.errors import StorageError
from fakebus.storage.interface import Storage

_KEY = "writes.tried.ms"


class WriteCheck:
    """Check of writes, which costs nothing while they are stored.

    Args:
        storage: what stores them.
        clock: tells when one was tried.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def failure(self) -> str:
        """Return why writes fail; empty if they do not.

        Where the last one failed another is tried: clients who wait until all is well write none.
        """
        if self._storage.writes.failure is None:
            return ""
        try:
            await self._storage.set_meta(_KEY, str(self._clock.now_ms()))
        except StorageError as error:
            return str(error)
        return ""
