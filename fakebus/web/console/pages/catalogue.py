"""Catalogue of event types, the map of who writes and reads them, and what smells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import groupby

from fakebus.catalogue.event_types import EventType
from fakebus.catalogue.of_cluster import found_in_catalogue, smells_of_bus
from fakebus.client.connection import NotFoundError
from fakebus.nesting import laid_out_text
from fakebus.web.console.addresses import record_url
from fakebus.web.console.call import Call, Page
from fakebus.web.console.service_map import links_of, service_map
from fakebus.wording import nearest

_MOST_ROWS = 300
_MOST_LINKS = 600


async def index(call: Call) -> Page:
    """List event types, or those in which some words are found."""
    wanted = call.query.text("q")
    found = (await found_in_catalogue(call.cluster, wanted)).event_types
    return Page(
        template="catalogue.html",
        values={
            "wanted": wanted,
            "event_types": found[:_MOST_ROWS],
            "left": max(len(found) - _MOST_ROWS, 0),
        },
    )


async def show(call: Call) -> Page:
    """Show an event type."""
    name = call.query.raw("name")
    found = {each.name: each for each in (await found_in_catalogue(call.cluster, "")).event_types}
    if name not in found:
        raise NotFoundError(f"there is no event type {name!r}; {nearest(name, found)}")
    event = found[name]
    text = "" if event.schema is None else laid_out_text(event.schema["text"])
    return Page(template="event_type.html", values={"event": event, "text": text})


async def draw(call: Call) -> Page:
    """Draw who writes and who reads which event type."""
    wanted, only = call.query.text("q"), call.query.text("only")
    found = (await found_in_catalogue(call.cluster, wanted)).event_types
    # Of thousands of event types it takes its time, which clients need not wait for.
    values = await asyncio.to_thread(partial(_drawn, found, only))
    return Page(template="map.html", values={"wanted": wanted, "only": only, **values})


def _drawn(event_types: Sequence[EventType], only: str) -> dict[str, object]:
    """Return what the map shows of some event types."""
    links = links_of(event_types)
    if only == "different":
        links = [link for link in links if link.declared != link.seen]
    elif only == "seen":
        links = [link for link in links if link.seen]
    # What happens is of more interest than what might.
    links.sort(key=lambda link: (not link.seen, link.event, not link.is_writer, link.service))
    return {
        "drawing": service_map(links),
        "links": links[:_MOST_LINKS],
        "left": max(len(links) - _MOST_LINKS, 0),
        "different": sum(link.declared != link.seen for link in links),
    }


async def smells(call: Call) -> Page:
    """Tell what may be wrong with the events, and what to consider."""
    found = await smells_of_bus(call.cluster)
    kinds = groupby(found[:_MOST_ROWS], lambda each: each.smell)
    return Page(
        template="smells.html",
        values={
            "smells": [(kind, list(group)) for kind, group in kinds],
            "left": max(len(found) - _MOST_ROWS, 0),
            "place_url": record_url,
        },
    )
