"""Keeps groups in storage, and holds back answers until what they promise is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fakebus.errors import ErrorCode, StorageError
from fakebus.storage.interface import OffsetStore

logger = logging.getLogger("fakebus.broker.groups")

WhenStored = Callable[[ErrorCode], None]
"""Called with NONE, or with what the client is to be told when storing has failed."""


def storage_error(stored: asyncio.Future[None]) -> ErrorCode:
    """Return how a write has ended.

    NOT_COORDINATOR is what Kafka makes of a failed append: clients look for the
    coordinator again and repeat the request.
    """
    if stored.cancelled():
        return ErrorCode.NOT_COORDINATOR
    return ErrorCode.NONE if stored.exception() is None else ErrorCode.NOT_COORDINATOR


def report_failure(group_id: str, stored: asyncio.Future[None]) -> None:
    """Log it if a write has failed."""
    if not stored.cancelled() and stored.exception() is not None:
        logger.error("group %s could not be stored: %s", group_id, stored.exception())


def enqueue(write: Callable[[], asyncio.Future[None]]) -> asyncio.Future[None]:
    """Start a write; storage that is closed is a write that has failed."""
    try:
        return write()
    except StorageError as error:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(error)
        return failed


def tell_nobody(_: str) -> None:
    """Nobody wants to know what changes."""


class GroupJournal:
    """Writes snapshots of groups, and knows what is stored of them.

    Args:
        storage: where they go.
    """

    def __init__(self, storage: OffsetStore) -> None:
        self._storage = storage
        self._in_flight: dict[str, asyncio.Future[None]] = {}
        self._stored: dict[str, bytes] = {}
        self.changed: Callable[[str], object] = tell_nobody
        """Told which group is stored."""
        self.failed: Callable[[str], object] = tell_nobody
        """Told which group is other than what is stored of it, before any client is."""

    def stored(self, group_id: str) -> bytes | None:
        """Return what is stored of a group, besides its offsets."""
        return self._stored.get(group_id)

    def found(self, group_id: str, snapshot: bytes | None) -> None:
        """Take note of what is stored of a group, ``None`` for nothing."""
        if snapshot is None:
            self._stored.pop(group_id, None)
        else:
            self._stored[group_id] = snapshot

    def save(self, group_id: str, snapshot: bytes, *, reverts: bool = True) -> None:
        """Store a group as it is now, or as it will be.

        Args:
            group_id: the group.
            snapshot: what is stored of it.
            reverts: whether the group is told as failed if it cannot be stored; otherwise whoever
                saves it goes on with it.
        """
        stored = enqueue(lambda: self._storage.save_group(group_id, snapshot))
        self._in_flight[group_id] = stored
        stored.add_done_callback(lambda done: self._landed(group_id, snapshot, done, reverts))

    def _landed(
        self, group_id: str, snapshot: bytes, stored: asyncio.Future[None], reverts: bool
    ) -> None:
        report_failure(group_id, stored)
        is_newest = self._in_flight.get(group_id) is stored
        if is_newest:
            del self._in_flight[group_id]
        if storage_error(stored) is ErrorCode.NONE:
            self._stored[group_id] = snapshot
        elif is_newest and reverts:
            self.failed(group_id)
        self.changed(group_id)

    def is_saving(self, group_id: str) -> bool:
        """Whether something is being stored of a group that is not yet."""
        return group_id in self._in_flight

    def when_stored(self, group_id: str, then: WhenStored) -> None:
        """Go on when what was saved of the group so far is stored; at once if it is."""
        stored = self._in_flight.get(group_id)
        if stored is None:
            then(ErrorCode.NONE)
        else:
            stored.add_done_callback(lambda done: then(storage_error(done)))
