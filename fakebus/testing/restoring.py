"""The snapshots of one test."""

from __future__ import annotations

from fakebus.testing.marks import Mark, Marks


class Restorer:
    """Takes and restores one test's snapshots.

    Args:
        marks: the marks of the bus.
        begin: the mark where the test began.
    """

    def __init__(self, marks: Marks, begin: Mark) -> None:
        self._marks = marks
        self._snapshots: dict[str | None, Mark] = {None: begin}
        self._begin = begin

    async def snapshot(self, name: str | None) -> None:
        """Remember everything under a name; an older snapshot of that name is forgotten."""
        mark = await self._marks.take()
        old = self._snapshots.get(name)
        self._snapshots[name] = mark
        if old is not None and old is not self._begin:
            self._marks.drop(old)

    async def rollback(self, name: str | None) -> None:
        """Go back to a snapshot.

        Raises:
            LookupError: there is none of that name.
        """
        mark = self._snapshots.get(name)
        if mark is None:
            known = ", ".join(repr(known) for known in self._snapshots if known is not None)
            raise LookupError(f"there is no snapshot {name!r}; there are: {known or 'none'}")
        await self._marks.roll_back(mark)

    def forget(self) -> None:
        """The test is over."""
        self._marks.drop(*self._snapshots.values(), self._begin)
