"""Records of a topic as they arrive."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from fakebus.errors import ConfigError
from fakebus.real_time import monotonic
from fakebus.web.console.browse import (
    Question,
    explain,
    question_of,
    row_of,
    writers_of,
    written_by,
)
from fakebus.web.console.call import Call, Page
from fakebus.web.console.site import HEADERS
from fakebus.web.errors import RequestError
from fakebus.web.event_stream import event_stream

MAX_RATE = 200
"""Records that are sent in a second; the rest is counted."""


async def show(call: Call) -> Page:
    """Show the page; a script fills it."""
    topic = await call.cluster.topic(call.parts["topic"])
    question = question_of(topic.name, call.query)
    problem = None
    try:
        question.matches()
    except ConfigError as error:
        problem = explain(error)
    return Page(
        template="live.html",
        status=400 if problem else 200,
        values={
            "topic": topic,
            "question": question,
            "problem": problem,
            "rate": MAX_RATE,
            "services": await writers_of(call.cluster, topic.name),
        },
    )


async def events(call: Call) -> web.StreamResponse:
    """Stream the records that are wanted, and how many were left out."""
    topic = await call.cluster.topic(call.parts["topic"])
    question = question_of(topic.name, call.query)
    try:
        question.matches()
    except ConfigError as error:
        raise RequestError(400, explain(error)) from None
    return await event_stream(call.request, _arriving(call, question), HEADERS)


async def _arriving(
    call: Call, question: Question
) -> AsyncGenerator[tuple[str, object] | None, None]:
    matches = question.matches()
    second, sent, seen, skipped = monotonic(), 0, 0, 0
    async with aclosing(call.cluster.follow([question.topic])) as slices:
        async for events in slices:
            if monotonic() - second >= 1:
                second, sent = monotonic(), 0
            seen += len(events)
            rows = []
            is_own = await written_by(call.cluster, question) if question.service else None
            for event in events:
                if question.partition and event.partition != int(question.partition):
                    continue
                is_wanted = is_own is None or is_own(event)
                if not is_wanted or (matches is not None and not matches(event)):
                    continue
                if sent >= MAX_RATE:
                    skipped += 1
                    continue
                sent += 1
                rows.append((await row_of(event)).data())
            if rows or events:
                yield "rows", {"rows": rows, "seen": seen, "skipped": skipped}
            else:
                yield None
