"""Requests that fail for one topic only: the rest is carried out, and both answers become one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, NamedTuple
from uuid import UUID

from fakebus.errors import ErrorCode
from fakebus.kafka.api import (
    CloseConnection,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.error_responses import error_response
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    FetchResponsePartitionData,
    MetadataResponse,
)
from fakebus.protocol.schema import StructSchema, api_schema

_LISTS_OF_TOPICS = ("topics", "topic_names")
"""What holds bare names of topics."""
_INDEXES = ("partition_index", "index", "partition")
_KEYS = ("name", "topic", "topic_id", "group_id", "transactional_id")

Replace = Callable[[Any, PendingResponse], None]
ReplaceOutcome = Callable[[HandlerResult, Replace], HandlerResult]


class Part(NamedTuple):
    """Part of a request that fails."""

    topic: str
    topic_id: UUID | None
    partition: int | None
    """``None`` for all of them."""
    error: ErrorCode

    def has(self, item: Any) -> bool:
        """Whether something in a request or an answer is about the topic."""
        names = (getattr(item, "name", None), getattr(item, "topic", None))
        by_id = getattr(item, "topic_id", None)
        return self.topic in names or (self.topic_id is not None and by_id == self.topic_id)

    def has_partition(self, item: Any) -> bool:
        """Whether a partition of the topic, or its number, is meant."""
        if self.partition is None:
            return True
        found = item if isinstance(item, int) else _index(item)
        return found == self.partition


def fail_partly(
    part: Part,
    function: HandlerFunction,
    request: Any,
    context: RequestContext,
    replace_outcome: ReplaceOutcome,
) -> HandlerResult | None:
    """Carry a request out but for a part; ``None`` if nothing of it is left.

    Args:
        part: what fails.
        function: the handler.
        request: the decoded request.
        context: what the handler gets besides.
        replace_outcome: lets a function say what is answered when the handler is done.
    """
    answered = _ANSWERED.get(context.api_key)
    if answered is not None:
        # What is only asked for may be looked up; else the client's session would not hold it.
        request = answered[0](request)

        def replace(outcome: Any, pending: PendingResponse) -> None:
            if not isinstance(outcome, CloseConnection):
                answered[1](outcome, part, request, context)
            pending.settle(outcome)

        return replace_outcome(function(request, context), replace)
    schema = api_schema(context.api_key)
    assert schema is not None  # noqa: S101 - it has a handler
    version = context.api_version
    kept, failed = _split(schema.request.root, request, part, version)
    if failed is None:
        return function(request, context)
    if kept is None:
        return None
    errors = error_response(context.api_key, version, failed, part.error)

    def add(outcome: Any, pending: PendingResponse) -> None:
        if outcome is None:
            outcome = CloseConnection(f"a request without an answer was to fail: {part.error.name}")
        elif not isinstance(outcome, CloseConnection):
            _merge(schema.response.root, outcome, errors, version)
        pending.settle(outcome)

    return replace_outcome(function(kept, context), add)


# -- what is carried out ---


def _split(struct: StructSchema, item: Any, part: Part, version: int) -> tuple[Any, Any]:
    """Return what is left of a request, and what of it fails; ``None`` for nothing."""
    kept, failed = copy(item), copy(item)
    is_left = has_failed = False
    for field in struct.fields_in(version):
        found = getattr(item, field.name)
        if not field.is_array or not found:
            continue
        if field.struct is None and field.name not in _LISTS_OF_TOPICS:
            continue
        pairs = [_split_one(field.struct, each, part, version) for each in found]
        setattr(kept, field.name, [each for each, _ in pairs if each is not None])
        setattr(failed, field.name, [each for _, each in pairs if each is not None])
        is_left = is_left or any(pair[0] is not None for pair in pairs)
        has_failed = has_failed or any(pair[1] is not None for pair in pairs)
    return (kept if is_left or not has_failed else None), (failed if has_failed else None)


def _split_one(struct: StructSchema | None, item: Any, part: Part, version: int) -> tuple[Any, Any]:
    if struct is None:
        return (None, item) if item == part.topic else (item, None)
    if part.has(item):
        return _split_partitions(struct, item, part, version)
    if any(getattr(item, name, None) for name in ("name", "topic", "topic_id")):
        return item, None
    return _split(struct, item, part, version)


def _split_partitions(struct: StructSchema, item: Any, part: Part, version: int) -> tuple[Any, Any]:
    name = None if part.partition is None else _partitions(struct, item, version)
    if name is None:
        return None, item
    kept, failed = copy(item), copy(item)
    setattr(kept, name, [each for each in getattr(item, name) if not part.has_partition(each)])
    setattr(failed, name, [each for each in getattr(item, name) if part.has_partition(each)])
    return (
        kept if getattr(kept, name) else None,
        failed if getattr(failed, name) else None,
    )


def _partitions(struct: StructSchema, item: Any, version: int) -> str | None:
    """Return the name of the field that holds a topic's partitions, if the item names any."""
    for field in struct.fields_in(version):
        found = getattr(item, field.name) if field.is_array else None
        if found and (isinstance(found[0], int) or _index(found[0]) is not None):
            return field.name
    return None


def _index(item: Any) -> int | None:
    for name in _INDEXES:
        found = getattr(item, name, None)
        if isinstance(found, int):
            return found
    return None


# -- what is answered ---


def _merge(struct: StructSchema, answer: Any, errors: Any, version: int) -> None:
    """Put the errors of what failed among the answers about the rest."""
    for field in struct.fields_in(version):
        if field.struct is None or not field.is_array:
            continue
        mine = list(getattr(answer, field.name) or ())
        known = {key: each for each in mine if (key := _key(each))}
        for error in getattr(errors, field.name) or ():
            same = known.get(_key(error))
            if same is None:
                mine.append(error)
            else:
                _merge(field.struct, same, error, version)
        setattr(answer, field.name, mine)


def _key(item: Any) -> tuple[Any, ...]:
    found = tuple(getattr(item, name, None) for name in _KEYS)
    return found if any(found) else ()


def _at_once(request: FetchRequest) -> FetchRequest:
    # An error in a partition answers a fetch that waits.
    request = copy(request)
    request.max_wait_ms = request.min_bytes = 0
    return request


def _fail_fetched(
    answer: FetchResponse, part: Part, request: FetchRequest, context: RequestContext
) -> None:
    if answer.error_code:
        return
    for topic in answer.responses:
        if part.has(topic):
            topic.partitions = [each for each in topic.partitions if not part.has_partition(each)]
    answer.responses = [topic for topic in answer.responses if topic.partitions]
    refused = [
        FetchResponsePartitionData(
            partition_index=index,
            error_code=part.error.code,
            high_watermark=-1,
            aborted_transactions=[],
            records=b"",
        )
        for name, index in fetched(request, answer.session_id, context)
        if name in (part.topic, part.topic_id) and part.has_partition(index)
    ]
    if refused:
        names = {"topic": part.topic} if part.topic_id is None else {"topic_id": part.topic_id}
        answer.responses.append(FetchableTopicResponse(**names, partitions=refused))


def fetched(
    request: FetchRequest, session_id: int, context: RequestContext
) -> Iterator[tuple[str | UUID, int]]:
    """Yield the partitions that are fetched: those of the session, or those that are named."""
    of_session = context.broker.fetch_sessions.partitions(session_id)
    if of_session:
        yield from of_session
        return
    for topic in request.topics:
        for partition in topic.partitions:
            yield topic.topic or topic.topic_id, partition.partition


def _fail_described(
    answer: MetadataResponse, part: Part, _request: Any, _context: RequestContext
) -> None:
    for topic in answer.topics:
        if not part.has(topic):
            continue
        if part.partition is None:
            topic.error_code, topic.partitions = part.error.code, []
        for partition in topic.partitions:
            if part.has_partition(partition):
                partition.error_code, partition.leader_id = part.error.code, -1


_ANSWERED: dict[int, tuple[Callable[[Any], Any], Callable[[Any, Part, Any, RequestContext], None]]]
_ANSWERED = {
    int(ApiKey.FETCH): (_at_once, _fail_fetched),
    int(ApiKey.METADATA): (lambda request: request, _fail_described),
}
"""APIs whose answers are changed in place of their requests."""
