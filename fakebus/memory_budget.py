"""Memory that all clients of a front end share, so that many of them take no more than a few."""

from __future__ import annotations

SHARE_BYTES = 256 * 1024
"""What a client may hold whatever the others do."""


class MemoryBudget:
    """Bytes that clients have sent and that are held for them.

    Args:
        limit: how many they may be.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def exceeded(self) -> bool:
        """Whether more is held than may be."""
        return self.used > self.limit
