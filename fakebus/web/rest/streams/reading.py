"""Records of a topic without a consumer: a page, as they arrive, or when enough are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from fakebus.broker.turns import in_turns
from fakebus.client.positions import Position, PositionKind, check_order, parse_position
from fakebus.cluster.browsing import Matches, ReadRequest, read_page, resolved
from fakebus.cluster.event_lines import event_fields
from fakebus.cluster.events import Event
from fakebus.cluster.filters import event_filter
from fakebus.errors import ConfigError
from fakebus.types import TopicPartition
from fakebus.web.answer_room import PageRoom
from fakebus.web.compact_json import compact_json
from fakebus.web.errors import RequestError
from fakebus.web.event_stream import Message, event_stream
from fakebus.web.large_answers import answer_in_parts
from fakebus.web.rest.call import RestCall
from fakebus.web.rest.streams.forms import (
    JSON,
    LINES,
    cursor_of,
    cursor_text,
    line,
    packed,
    wanted_form,
)
from fakebus.wording import counted

MOST_RECORDS = 10_000
"""Of one answer."""
MOST_FOLLOWERS = 100
"""Clients that may wait for records at once."""
LONGEST_WAIT_MS = 300_000
_MOST_IDS = 64
"""Partitions up to which each record of a stream tells all positions."""
_ID_EVERY = 1_000
"""Records after which those of more partitions are told, and whenever there are no more."""
_LONGEST_ID = 8_000
"""Letters of an id that come back in a header."""
_followers: set[int] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """Question for records of a topic."""

    topic: str
    partition: int | None
    start: Position
    after: Mapping[TopicPartition, int]
    """Where to go on, instead of ``start``."""
    matches: Matches | None
    takes_long: bool
    until: Position | None

    def wants(self, event: Event) -> bool:
        """Return whether a record is one of those wanted."""
        return self.partition in (None, event.partition) and (
            self.matches is None or self.matches(event)
        )


def _question(call: RestCall, default: PositionKind) -> _Question:
    topic, now_ms = call.topic(), call.bus.broker.clock.now_ms()
    partition = call.number("partition", 0) if call.text("partition") else None
    if partition is not None and topic.partition(partition) is None:
        raise RequestError(404, f"{topic.name} has {counted(len(topic.partitions), 'partition')}")
    start, until, expression = (call.text(name) for name in ("from", "until", "filter"))
    try:
        first = parse_position(start, now_ms) if start else Position(kind=default)
        end = parse_position(until, now_ms) if until else None
        check_order(first, end)
        return _Question(
            topic=topic.name,
            partition=partition,
            start=first,
            after=cursor_of(topic, call.text("after")),
            matches=event_filter(expression) if expression else None,
            takes_long="where" in expression,
            until=end,
        )
    except ConfigError as error:
        raise RequestError(400, str(error)) from None


async def read_records(call: RestCall) -> object:
    """Read records of a topic from an offset or a time on, or as soon as enough are there."""
    form = wanted_form(call.request.headers.get("Accept", ""))
    question = _question(call, PositionKind.EARLIEST)
    wait_for = call.number("wait_for", 0, most=MOST_RECORDS)
    _refuse_what_does_nothing(call, ("limit", "until") if wait_for else ("timeout",))
    with PageRoom() as room:
        if wait_for:
            events, positions, is_late = await _wait(call, question, wait_for, room)
            is_complete = len(events) >= wait_for
        else:
            page = await read_page(call.cluster, _request(call, question, room.whole()))
            events, positions = list(page.events), dict(page.cursor)
            is_complete, is_late = not page.left, False
        cursor = cursor_text(positions)
        headers = {"Fakebus-Next": cursor, "Fakebus-Complete": str(is_complete).lower()}
        headers["Content-Type"] = form
        pieces = _pieces(form, events, {"next": cursor, "complete": is_complete})
        status = 408 if is_late else 200
        return await answer_in_parts(call.request, pieces, headers, status=status)


async def _pieces(
    form: str, events: Sequence[Event], rest: Mapping[str, object]
) -> AsyncGenerator[bytes]:
    is_json = form == JSON
    if is_json:
        yield b'{"records":['
    async for number, event in in_turns(enumerate(events)):
        if is_json:
            yield f"{',' if number else ''}{compact_json(event_fields(event))}".encode()
        else:
            yield line(event).encode() if form == LINES else packed(event)
    if is_json:
        yield f"],{compact_json(rest)[1:]}".encode()


def _refuse_what_does_nothing(call: RestCall, names: Sequence[str]) -> None:
    for name in names:
        if call.text(name):
            why = "only goes with" if name == "timeout" else "does not go with"
            raise RequestError(400, f"{name} {why} wait_for, which asks for so many records")


def _request(call: RestCall, question: _Question, max_bytes: int) -> ReadRequest:
    partition = question.partition
    return ReadRequest(
        topics=(question.topic,),
        partitions=None if partition is None else frozenset((partition,)),
        start=question.start,
        cursor=question.after or None,
        until=question.until,
        matches=question.matches,
        takes_long=question.takes_long,
        limit=call.number("limit", 100, least=1, most=MOST_RECORDS),
        max_scanned=1_000_000,
        max_seconds=5.0,
        max_bytes=max_bytes,
    )


async def _begin(call: RestCall, question: _Question) -> dict[TopicPartition, int]:
    """Return where each partition begins."""
    ranges = await call.cluster.ranges([question.topic])
    starts = await resolved(call.cluster, dict.fromkeys(ranges, question.start), ranges)
    return {**starts, **{place: at for place, at in question.after.items() if place in ranges}}


async def _wait(
    call: RestCall, question: _Question, wait_for: int, room: PageRoom
) -> tuple[list[Event], dict[TopicPartition, int], bool]:
    """Return records, where to go on, and whether the time was over before there were enough.

    They are enough when they are so many, or have so many bytes.
    """
    timeout_ms = call.number("timeout", 10_000, most=LONGEST_WAIT_MS)
    positions, found = await _begin(call, question), list[Event]()
    with _Follower():
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                async with aclosing(_following(call, question, positions)) as events:
                    async for event in events:
                        if event is None:
                            continue
                        found.append(event)
                        if not room.has_more(event.size_bytes) or len(found) >= wait_for:
                            break
        except TimeoutError:
            return found, positions, True
    return found, positions, False


async def _following(
    call: RestCall, question: _Question, positions: dict[TopicPartition, int]
) -> AsyncGenerator[Event | None]:
    """Yield the records that are wanted, now and then ``None``; positions go on with each."""
    cluster = call.cluster
    async with aclosing(cluster.follow([question.topic], dict(positions))) as slices:
        async for events in slices:
            is_told = False
            for event in events:
                positions[TopicPartition(event.topic, event.partition)] = event.offset + 1
                if question.wants(event):
                    is_told = True
                    yield event
            if not is_told:
                yield None


class _Follower:
    """Place among the clients that wait for records; RequestError 503 if all are taken."""

    def __enter__(self) -> None:
        if len(_followers) >= MOST_FOLLOWERS:
            raise RequestError(503, f"{MOST_FOLLOWERS} clients wait for records already")
        _followers.add(id(self))

    def __exit__(self, *_: object) -> None:
        _followers.discard(id(self))


async def watch_records(call: RestCall) -> web.StreamResponse:
    """Tell the records of a topic as they arrive, as server-sent events."""
    question = _question(call, PositionKind.LATEST)
    last = cursor_of(call.topic(), call.request.headers.get("Last-Event-ID", ""))
    with _Follower():
        positions = {**await _begin(call, question), **last}
        return await event_stream(call.request, _messages(call, question, positions))


async def _messages(
    call: RestCall, question: _Question, positions: dict[TopicPartition, int]
) -> AsyncGenerator[Message | None]:
    untold = 0
    async with aclosing(_following(call, question, positions)) as events:
        async for event in events:
            if event is not None and len(positions) <= _MOST_IDS:
                yield "message", event_fields(event), cursor_text(positions)
                continue
            untold += event is not None
            yield None if event is None else ("message", event_fields(event))
            if untold >= _ID_EVERY or (untold and event is None):
                untold, text = 0, cursor_text(positions)
                if len(text) <= _LONGEST_ID:
                    yield "", None, text
