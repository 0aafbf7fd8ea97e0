"""Where Kafka would have begun new segments in a log.

Nothing is stored by segments here, but compaction goes by them: it never touches the active
segment, which is the last one, and min.compaction.lag.ms and max.compaction.lag.ms count for
whole segments. Source: LogSegment.shouldRoll and LogConfig.maxSegmentMs in Kafka.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.storage.interface import BatchSummary

_MAX_RELATIVE_OFFSET = 2**31 - 1


@dataclass(slots=True)
class Segment:
    """A run of batches."""

    base_offset: int
    size_bytes: int
    first_timestamp: int
    """The largest timestamp of the first batch, which segment.ms counts from; -1 for none."""
    largest_timestamp: int


class LogSegments:
    """The segments of a log from some offset on.

    Args:
        first_offset: where the first segment begins.
    """

    def __init__(self, first_offset: int) -> None:
        self.next_offset = first_offset
        """One past the last batch that was added."""
        self._segments: deque[Segment] = deque()

    def add(self, batch: BatchSummary, config: TopicConfig) -> None:
        """Add the next batch, to the last segment or to a new one."""
        active = self._segments[-1] if self._segments else None
        if active is None or _is_full(active, batch, config):
            active = Segment(batch.base_offset, 0, batch.max_timestamp, -1)
            self._segments.append(active)
        active.size_bytes += batch.size_bytes
        active.largest_timestamp = max(active.largest_timestamp, batch.max_timestamp)
        self.next_offset = batch.last_offset + 1

    def forget_before(self, offset: int) -> None:
        """Drop the segments that end at or before ``offset``."""
        while len(self._segments) > 1 and self._segments[1].base_offset <= offset:
            self._segments.popleft()

    @property
    def active_base_offset(self) -> int:
        """Where the active segment begins."""
        return self._segments[-1].base_offset if self._segments else self.next_offset

    def inactive(self) -> list[Segment]:
        """Return all segments but the active one."""
        return list(self._segments)[:-1]


def _is_full(segment: Segment, batch: BatchSummary, config: TopicConfig) -> bool:
    if segment.size_bytes + batch.size_bytes > config.segment_bytes:
        return True
    if batch.last_offset - segment.base_offset > _MAX_RELATIVE_OFFSET:
        return True
    # Without a timestamp Kafka counts from the creation of the file, which there is none of.
    max_ms = config.segment_ms
    if config.compact:
        max_ms = min(max_ms, config.max_compaction_lag_ms)
    return 0 <= segment.first_timestamp < batch.max_timestamp - max_ms
