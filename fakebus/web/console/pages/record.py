"""One record: what it holds, and its bytes to take away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from fakebus.client.offsets import LogRange
from fakebus.cluster.browsing import record_at
from fakebus.cluster.events import Event
from fakebus.lineage.flow_json import replayed_from
from fakebus.lineage.place import Place
from fakebus.types import TopicPartition
from fakebus.web.console.addresses import record_url
from fakebus.web.console.call import Call, Page, is_number
from fakebus.web.console.copies import copies_of
from fakebus.web.console.payload_views import (
    CUT,
    FORMS,
    MAX_SHOWN,
    header_text,
    is_cloud_event,
    view,
)
from fakebus.web.console.site import attachment
from fakebus.web.errors import RequestError

_HEADERS = 100
"""Headers that are shown until all are asked for."""
_MAX_HEADERS = 10_000


async def show(call: Call) -> Page:
    """Show a record."""
    event, log = await record_of(call)
    form = call.query.text("as", FORMS[0])
    if form not in FORMS:
        raise RequestError(400, f"a value is read as one of {', '.join(FORMS)}")
    whole = bool(call.query.text("all"))
    letters = MAX_SHOWN if whole else CUT
    most = _MAX_HEADERS if whole else _HEADERS
    bootstrap = (await call.cluster.brokers())[0].address.rpartition("://")[2]
    http = "" if call.cluster.is_external else f"http://{call.request.host}"
    return Page(
        template="record.html",
        values={
            "event": event,
            "told": await _told(call, event),
            "place_url": record_url,
            "log": log,
            "key": await view(event, is_key=True, letters=letters, indent=2),
            "value": await view(event, form=form, letters=letters, indent=2),
            "headers": [(name, header_text(data, letters)) for name, data in event.headers[:most]],
            "more_headers": max(len(event.headers) - most, 0),
            "is_cloud_event": is_cloud_event(event),
            "form": form,
            "forms": FORMS,
            "whole": whole,
            "copies": await asyncio.to_thread(copies_of, event, bootstrap, http),
        },
    )


async def _told(call: Call, event: Event) -> Mapping[str, object]:
    """Return where a record comes from and what became of it, as far as the cluster tells."""
    if call.cluster.is_external:
        found = replayed_from(event.headers)
        origin = "replayed" if found else ""
        return {"origin": origin, "origin_detail": found, "written_at_ms": None, "groups": ()}
    place = Place(event.topic, event.partition, event.offset)
    return await call.cluster.bus("the origin of a record").flows.written(place, groups=True)


async def record_of(call: Call) -> tuple[Event, LogRange]:
    """Return the record that a path names, and the range of its log.

    Raises:
        NotFoundError: it is not there; the message says what is.
        RequestError: 404, the path has no numbers.
    """
    partition, offset = call.parts["partition"], call.parts["offset"]
    if not (is_number(partition) and is_number(offset)):
        raise RequestError(404, "there is no such page")
    place = TopicPartition(call.parts["topic"], int(partition))
    return await record_at(call.cluster, place, int(offset))


async def download(call: Call) -> web.Response:
    """Give the bytes of the value, or of the key, as a file."""
    event, _ = await record_of(call)
    is_key = call.query.text("part") == "key"
    name = f"{event.topic}-{event.partition}-{event.offset}{'-key' if is_key else ''}.bin"
    body = (event.key if is_key else event.value) or b""
    return web.Response(body=body, headers=attachment(name))
