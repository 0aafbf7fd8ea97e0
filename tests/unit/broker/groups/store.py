"""An OffsetStore in memory whose commits can be held back and made to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fakebus.errors import StorageError
from fakebus.storage.interface import GroupRow, OffsetRow


class HeldStore:
    """Commits at once, or when :meth:`release` is called after :meth:`hold`."""

    def __init__(self) -> None:
        self.snapshots: dict[str, bytes | None] = {}
        self.offsets: dict[str, dict[tuple[str, int], OffsetRow]] = {}
        self.writes: list[str] = []
        self.fails = False
        self._holding = False
        self._held: list[tuple[asyncio.Future[None], Callable[[], None]]] = []

    def hold(self) -> None:
        self._holding = True

    def release(self) -> None:
        """Commit, or let fail, what was held back."""
        self._holding = False
        held, self._held = self._held, []
        for future, apply in held:
            self._finish(future, apply)

    def release_one(self) -> None:
        """Commit, or let fail, the oldest of what is held back; the rest stays so."""
        self._finish(*self._held.pop(0))

    def _finish(self, future: asyncio.Future[None], apply: Callable[[], None]) -> None:
        if self.fails:
            future.set_exception(StorageError("the disk is full"))
        else:
            apply()
            future.set_result(None)

    def _write(self, what: str, apply: Callable[[], None]) -> asyncio.Future[None]:
        self.writes.append(what)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._holding:
            self._held.append((future, apply))
        else:
            self._finish(future, apply)
        return future

    def commit_offsets(self, group_id: str, offsets: Sequence[OffsetRow]) -> asyncio.Future[None]:
        def apply() -> None:
            self.snapshots.setdefault(group_id, None)
            rows = self.offsets.setdefault(group_id, {})
            rows.update({(row.topic, row.partition): row for row in offsets})

        return self._write("commit_offsets", apply)

    def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]]
    ) -> asyncio.Future[None]:
        def apply() -> None:
            for partition in partitions:
                self.offsets.get(group_id, {}).pop(partition, None)

        return self._write("delete_offsets", apply)

    def save_group(self, group_id: str, snapshot: bytes) -> asyncio.Future[None]:
        def apply() -> None:
            self.snapshots[group_id] = snapshot

        return self._write("save_group", apply)

    def delete_group(self, group_id: str) -> asyncio.Future[None]:
        def apply() -> None:
            self.snapshots.pop(group_id, None)
            self.offsets.pop(group_id, None)

        return self._write("delete_group", apply)

    async def load_groups(self) -> list[GroupRow]:
        return [
            GroupRow(
                group_id=group_id,
                snapshot=snapshot,
                offsets=tuple(self.offsets.get(group_id, {}).values()),
            )
            for group_id, snapshot in self.snapshots.items()
        ]
