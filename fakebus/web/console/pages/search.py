"""Whatever is asked for, anywhere: names of topics, groups and subjects, and text in records."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace

from aiohttp import web

from fakebus.cluster.browsing import ReadRequest, read_page, search
from fakebus.cluster.interface import NotOnThisCluster, TopicSummary
from fakebus.errors import ConfigError
from fakebus.web.answer_room import PageRoom
from fakebus.web.console.addresses import record_url
from fakebus.web.console.browse import LOOK_S, explain, question_of, request_of, row_of, rows_of
from fakebus.web.console.call import Call, Page, Redirect
from fakebus.web.console.site import HEADERS
from fakebus.web.errors import RequestError
from fakebus.web.event_stream import event_stream

_MAX_NAMES = 20
_FIRST_LOOK = 2_000
"""Records that are looked at before the page is shown; a script goes on from there."""
_MOST_LOOK = 1_000_000
_MOST_FOUND = 500
_STEP = 20_000
"""Records that are looked at until the progress is told."""


async def everything(call: Call) -> Page | Redirect:
    """Find what a text names, and the newest records that have it."""
    text = call.query.text("q")
    url = record_url(text)
    if url:
        return Redirect(url=url)
    cluster = call.cluster
    topics = [topic for topic in await cluster.topics() if not topic.is_internal]
    groups = [group.name for group in await cluster.groups()]
    try:
        subjects = await cluster.schemas.subjects()
    except NotOnThisCluster:
        subjects = []
    look = min(max(call.query.number("look", _FIRST_LOOK), 1), _MOST_LOOK)
    request, page = replace(_request(text, topics), max_scanned=look), None
    if text and request.topics:
        with PageRoom() as room:
            page = await read_page(cluster, replace(request, max_bytes=room.whole()))
    return Page(
        template="search.html",
        values={
            "asked": text,
            "topics": _named(text, (topic.name for topic in topics)),
            "groups": _named(text, groups),
            "subjects": _named(text, subjects),
            "rows": await rows_of(page) if page is not None else [],
            "scanned": page.scanned if page is not None else 0,
            "left": page.left if page is not None else 0,
            "more": min(look * 10, _MOST_LOOK) if look < _MOST_LOOK else 0,
        },
    )


def _named(text: str, names: Iterable[str]) -> list[str]:
    found = [name for name in names if text and text.lower() in name.lower()]
    return sorted(found, key=lambda name: (name != text, len(name), name))[:_MAX_NAMES]


def _request(text: str, topics: Iterable[TopicSummary]) -> ReadRequest:
    # Of thousands most may be empty, and each that is looked at takes its time.
    names = tuple(topic.name for topic in topics if topic.records)
    return ReadRequest(topics=names, newest_first=True, contains=text, max_seconds=LOOK_S)


async def everything_events(call: Call) -> web.StreamResponse:
    """Stream the records that have a text, and how far the search has come."""
    topics = [topic for topic in await call.cluster.topics() if not topic.is_internal]
    request = _request(call.query.text("q"), topics)
    return await event_stream(call.request, _found(call, request), HEADERS)


async def topic_events(call: Call) -> web.StreamResponse:
    """Stream the records of a topic that are wanted, and how far the search has come."""
    topic = await call.cluster.topic(call.parts["topic"])
    question = question_of(topic.name, call.query)
    try:
        request = await request_of(call.cluster, question)
    except ConfigError as error:
        raise RequestError(400, explain(error)) from None
    return await event_stream(call.request, _found(call, request), HEADERS)


async def _found(
    call: Call, request: ReadRequest
) -> AsyncGenerator[tuple[str, object] | None, None]:
    scanned = found = 0
    stepwise = replace(request, max_scanned=_STEP, in_background=True)
    async with aclosing(search(call.cluster, stepwise)) as pages:
        async for page in pages:
            scanned += page.scanned
            rows = [(await row_of(event)).data() for event in page.events]
            found += len(rows)
            yield "page", {"rows": rows, "scanned": scanned, "left": page.left}
            if found >= _MOST_FOUND:
                break
    yield "end", {"scanned": scanned, "left": page.left}
