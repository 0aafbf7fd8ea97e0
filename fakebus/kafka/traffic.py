"""Who has produced, fetched and committed what, for the reports of failed tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fakebus.kafka.api import HandlerFunction, HandlerResult, RequestContext
from fakebus.kafka.interception import Interceptor, carry_out, note_outcome
from fakebus.protocol.api_keys import ApiKey
from fakebus.records.batch import parse_header

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that a client did to a partition."""

    verb: str
    """``produced``, ``fetched`` or ``committed``."""
    at_ms: int
    client_id: str
    topic: str
    partition: int
    offset: int
    """The first offset; the committed one of a commit."""
    last_offset: int
    group: str = ""


class Traffic:
    """Remembers the newest deeds.

    Args:
        inner: carries requests out.
    """

    def __init__(self, inner: Interceptor = carry_out) -> None:
        self.deeds: deque[Deed] = deque(maxlen=_MOST_REMEMBERED)
        self._inner = inner
        self._notes: dict[int, Callable[[Any, RequestContext, Any], None]] = {
            ApiKey.PRODUCE: self._note_produce,
            ApiKey.FETCH: self._note_fetch,
            ApiKey.OFFSET_COMMIT: self._note_commit,
        }

    def intercept(
        self, function: HandlerFunction, request: Any, context: RequestContext
    ) -> HandlerResult:
        """Carry a request out and remember what it did.

        Args:
            function: the handler.
            request: the decoded request.
            context: what the handler gets besides.
        """
        note = self._notes.get(context.api_key)
        if note is None:
            return self._inner(function, request, context)
        counts = _record_counts(request) if context.api_key == ApiKey.PRODUCE else request
        result = self._inner(function, request, context)
        return note_outcome(result, partial(note, counts, context))

    def _add(
        self,
        verb: str,
        context: RequestContext,
        topic: str,
        partition: int,
        offsets: tuple[int, int],
        group: str = "",
    ) -> None:
        self.deeds.append(
            Deed(
                verb=verb,
                at_ms=context.broker.clock.now_ms(),
                client_id=context.client_id or "a client without an id",
                topic=topic,
                partition=partition,
                offset=offsets[0],
                last_offset=offsets[1],
                group=group,
            )
        )

    def _note_produce(self, counts: dict[Any, int], context: RequestContext, response: Any) -> None:
        for topic in response.responses:
            name = _topic_name(topic, topic.name, context)
            for partition in topic.partition_responses:
                count = counts.get((topic.name, topic.topic_id, partition.index), 0)
                if not partition.error_code and count:
                    first = partition.base_offset
                    self._add(
                        "produced", context, name, partition.index, (first, first + count - 1)
                    )

    def _note_fetch(self, request: Any, context: RequestContext, response: Any) -> None:
        for topic in response.responses:
            name = _topic_name(topic, topic.topic, context)
            for partition in topic.partitions:
                batches = [parse_header(data) for data in partition.records or () if len(data)]
                if batches:
                    last = batches[-1].base_offset + batches[-1].last_offset_delta
                    offsets = batches[0].base_offset, last
                    self._add("fetched", context, name, partition.partition_index, offsets)

    def _note_commit(self, request: Any, context: RequestContext, response: Any) -> None:
        refused = {
            (getattr(topic, "name", ""), topic.topic_id, partition.partition_index)
            for topic in response.topics
            for partition in topic.partitions
            if partition.error_code
        }
        for topic in request.topics:
            name = _topic_name(topic, topic.name, context)
            for partition in topic.partitions:
                index, offset = partition.partition_index, partition.committed_offset
                if (topic.name, topic.topic_id, index) not in refused:
                    offsets = offset, offset
                    self._add("committed", context, name, index, offsets, request.group_id)


def _topic_name(item: Any, name: str, context: RequestContext) -> str:
    if name:
        return name
    known = context.broker.topics.by_id(item.topic_id)
    return str(item.topic_id) if known is None else known.name


def _record_counts(request: Any) -> dict[Any, int]:
    # Looked at before, because the broker then owns the bytes.
    return {
        (topic.name, topic.topic_id, partition.index): _count(partition.records)
        for topic in request.topic_data
        for partition in topic.partition_data
    }


def _count(records: Any) -> int:
    # The header's records count; a batch that is too short is refused by the broker.
    return int.from_bytes(records[57:61], "big") if records and len(records) >= 61 else 0
