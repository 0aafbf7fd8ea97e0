"""The catalogue of event types."""

from __future__ import annotations

import asyncio

from fakebus.broker.activity import Origin
from fakebus.catalogue.asyncapi import asyncapi_document
from fakebus.catalogue.event_types import Catalogue, catalogue_of
from fakebus.catalogue.of_cluster import bus_landscape, smells_of_bus
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError

_FORMATS = ("json", "asyncapi")


async def read_smells(call: AdminCall) -> object:
    """Tell what may be wrong with the events, by what evidence, and what to consider."""
    cluster = EmbeddedCluster(call.bus, Origin(front_end="http"))
    return [each.as_json() for each in await smells_of_bus(cluster)]


async def read_catalogue(call: AdminCall) -> object:
    """Tell every event type, with its schema, and who writes and reads it."""
    form = call.text("format", "json")
    if form not in _FORMATS:
        raise RequestError(400, f"format is one of {', '.join(_FORMATS)}")
    cluster = EmbeddedCluster(call.bus, Origin(front_end="http"))
    landscape = await bus_landscape(cluster, details=True, examples=True)

    def told() -> dict[str, object]:
        found: Catalogue = catalogue_of(landscape).found(call.text("search"))
        return asyncapi_document(found) if form == "asyncapi" else found.as_json()

    # Comparing the versions of many schemas takes its time, which clients need not wait for.
    return await asyncio.to_thread(told)
