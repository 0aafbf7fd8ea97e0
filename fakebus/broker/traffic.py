"""Traffic that the broker has had since it was started, for metrics."""

from __future__ import annotations

from collections import defaultdict


class Traffic:
    """Counts of requests and bytes."""

    __slots__ = ("bytes_out", "requests")

    def __init__(self) -> None:
        self.requests: defaultdict[int, int] = defaultdict(int)
        """Of Kafka's clients, by the key of the API."""
        self.bytes_out = 0
        """Of batches that answered fetches."""
