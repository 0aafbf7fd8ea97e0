"""The catalogue of event types."""

from __future__ import annotations

import asyncio
from functools import partial

from fakebus.broker.activity import Origin
from fakebus.catalogue.asyncapi import asyncapi_document
from fakebus.catalogue.event_types import Catalogue
from fakebus.catalogue.of_cluster import found_in_catalogue, shared, smells_of_bus
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError

_FORMATS = ("json", "asyncapi")


async def read_smells(call: AdminCall) -> object:
    """Tell what may be wrong with the events, by what evidence, and what to consider."""
    cluster = EmbeddedCluster(call.bus, Origin(front_end="http"))

    async def told() -> list[dict[str, object]]:
        found = await smells_of_bus(cluster)
        return await asyncio.to_thread(lambda: [each.as_json() for each in found])

    return await shared(cluster, "smells as JSON", told)


async def read_catalogue(call: AdminCall) -> object:
    """Tell every event type, with its schema, and who writes and reads it."""
    form = call.text("format", "json")
    if form not in _FORMATS:
        raise RequestError(400, f"format is one of {', '.join(_FORMATS)}")
    cluster, search = EmbeddedCluster(call.bus, Origin(front_end="http")), call.text("search")

    async def told() -> dict[str, object]:
        found: Catalogue = await found_in_catalogue(cluster, search)
        tell = partial(asyncapi_document, found) if form == "asyncapi" else found.as_json
        return await asyncio.to_thread(tell)

    return await shared(cluster, ("catalogue", form, search), told)
