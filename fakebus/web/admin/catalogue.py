"""The catalogue of event types."""

from __future__ import annotations

import asyncio

from fakebus.broker.activity import Origin
from fakebus.catalogue.asyncapi import asyncapi_document
from fakebus.catalogue.event_types import Catalogue, catalogue_of
from fakebus.catalogue.of_cluster import bus_landscape
from fakebus.catalogue.smells import Smell, smells_of
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.lineage.place import Place
from fakebus.servers import Bus
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError

_FORMATS = ("json", "asyncapi")
_NEWEST = 200
"""Of a partition, how many records are looked at for smells."""
_MOST = 1000


async def read_smells(call: AdminCall) -> object:
    """Tell what may be wrong with the events, by what evidence, and what to consider."""
    return [each.as_json() for each in await smells_of_bus(call.bus)]


async def smells_of_bus(bus: Bus) -> list[Smell]:
    """Return what may be wrong with the events of a bus, by its newest records."""
    cluster = EmbeddedCluster(bus, Origin(front_end="http"))
    landscape = await bus_landscape(cluster, details=True, examples=True)
    places = [
        Place(topic.name, log.topic_partition.partition, offset)
        for topic in bus.broker.topics
        if topic.name in landscape.topics
        for log in topic.partitions
        for offset in range(
            max(log.log_start_offset, log.high_watermark - _NEWEST), log.high_watermark
        )
    ]
    flow = await bus.flows.of_records("the newest records", places[:_MOST], 1)
    return await asyncio.to_thread(smells_of, landscape, flow)


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
