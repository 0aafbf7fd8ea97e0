"""The records of a topic: a page of them from any place on, and how many came when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from aiohttp import web

from fakebus.cluster.browsing import ReadRequest, read_page, search
from fakebus.cluster.event_lines import event_line
from fakebus.cluster.events import Event
from fakebus.cluster.interface import TopicDetails
from fakebus.cluster.replay import ranges_of
from fakebus.errors import ConfigError
from fakebus.web.answer_room import PageRoom
from fakebus.web.console.browse import (
    LIMITS,
    Question,
    Row,
    cursor_text,
    explain,
    question_of,
    request_of,
    rows_of,
    writers_of,
)
from fakebus.web.console.call import Call, Page
from fakebus.web.console.site import attachment
from fakebus.web.console.timeline import Bar, volume
from fakebus.web.errors import RequestError
from fakebus.web.large_answers import answer_in_parts

_LINK_LETTERS = 4_000
MAX_DOWNLOADED = 10_000
_LARGE = 4 << 20
_DOWNLOAD_BYTES = 32 << 20
_PART_RECORDS = 500
_PART_BYTES = 1 << 20
"""Of a download, how much is read until it is sent."""


async def browse(call: Call) -> Page:
    """Show records."""
    topic = await call.cluster.topic(call.parts["topic"])
    question = question_of(topic.name, call.query)
    rows: list[Row] = []
    values: dict[str, object] = {"problem": None, "cursor": "", "scanned": 0, "left": 0}
    try:
        request = await request_of(call.cluster, question)
        with PageRoom() as room:
            page = await read_page(call.cluster, replace(request, max_bytes=room.whole()))
    except ConfigError as error:
        values["problem"] = explain(error)
    else:
        rows = await rows_of(page)
        values |= {
            "cursor": cursor_text(page.cursor) if page.left else "",
            "scanned": page.scanned,
            "left": page.left,
        }
    return Page(
        template="messages.html",
        status=400 if values["problem"] else 200,
        values={
            "topic": topic,
            "question": question,
            "limits": LIMITS,
            "rows": rows,
            "services": await writers_of(call.cluster, topic.name),
            "bars": await _bars(call, topic, question),
            "shown": _shown(rows),
            **values,
        },
    )


async def _bars(call: Call, topic: TopicDetails, question: Question) -> list[Bar]:
    """Return the volume over time, unless its first and last records take long to be read."""
    if question.cursor or is_large(topic):
        return []
    return await volume(call.cluster, topic.name)


def is_large(topic: TopicDetails) -> bool:
    """Return whether records of a topic are so large on an average that one takes long to read."""
    size = sum(each.size_bytes or 0 for each in topic.partitions)
    return size > _LARGE * sum(each.log.records for each in topic.partitions)


def _shown(rows: Sequence[Row]) -> str:
    """Return the records that a page shows as ranges; nothing if they are too many for a link."""
    text = " ".join(ranges_of(row.event for row in rows))
    return text if len(text) <= _LINK_LETTERS else ""


async def download(call: Call) -> web.StreamResponse:
    """Give the records of a page, from where it begins to its end, as lines of a fixture file."""
    topic = await call.cluster.topic(call.parts["topic"])
    question = replace(question_of(topic.name, call.query), limit=MAX_DOWNLOADED)
    try:
        request = replace(await request_of(call.cluster, question), in_background=True)
    except ConfigError as error:
        raise RequestError(400, explain(error)) from None
    headers = attachment(f"{topic.name}.ndjson", "application/x-ndjson")
    return await answer_in_parts(call.request, _downloaded(call, request), headers)


async def _downloaded(call: Call, request: ReadRequest) -> AsyncGenerator[bytes, None]:
    records = size = 0
    part = replace(request, limit=_PART_RECORDS, max_bytes=_PART_BYTES)
    async with aclosing(search(call.cluster, part)) as pages:
        async for page in pages:
            events = page.events[: MAX_DOWNLOADED - records]
            lines = await asyncio.to_thread(partial(_lines, events))
            records, size = records + len(events), size + len(lines)
            yield lines
            if records >= MAX_DOWNLOADED or size > _DOWNLOAD_BYTES or call.is_abandoned:
                break


def _lines(events: Iterable[Event]) -> bytes:
    return "".join(f"{event_line(event)}\n" for event in events).encode()
