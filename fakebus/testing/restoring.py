"""The snapshots of one test."""

from __future__ import annotations

from fakebus.broker.snapshots import Snapshot, Snapshots


class Restorer:
    """Taker and restorer of one test's snapshots.

    Args:
        snapshots: those of the bus.
        begin: the one from where the test began.
    """

    def __init__(self, snapshots: Snapshots, begin: Snapshot) -> None:
        self._snapshots = snapshots
        self._by_name: dict[str | None, Snapshot] = {None: begin}
        self._begin = begin

    async def snapshot(self, name: str | None) -> None:
        """Remember everything under a name; an older snapshot of that name is forgotten."""
        taken = await self._snapshots.take()
        old = self._by_name.get(name)
        self._by_name[name] = taken
        if old is not None and old is not self._begin:
            self._snapshots.forget(old)

    async def rollback(self, name: str | None) -> None:
        """Go back to a snapshot.

        Raises:
            LookupError: there is none of that name.
        """
        snapshot = self._by_name.get(name)
        if snapshot is None:
            known = ", ".join(repr(known) for known in self._by_name if known is not None)
            raise LookupError(f"there is no snapshot {name!r}; there are: {known or 'none'}")
        await self._snapshots.roll_back(snapshot)

    def forget(self) -> None:
        """Let go of everything: the test is over."""
        self._snapshots.forget(*self._by_name.values(), self._begin)
