"""Records that are written over HTTP."""

from __future__ import annotations

from fakebus.web.admin.call import AdminCall
from fakebus.web.connection import origin_of
from fakebus.web.errors import RequestError


async def produce(call: AdminCall) -> object:
    """Write an event as fixture files have it, and tell where it is."""
    from fakebus.cluster.composing import produce_event
    from fakebus.cluster.embedded import EmbeddedCluster
    from fakebus.cluster.interface import ClusterError, NotFoundError

    origin = origin_of(call.request, "rest", call.bus.broker.activity)
    cluster = EmbeddedCluster(call.bus, origin)
    try:
        event = await produce_event(cluster, await call.body())
    except NotFoundError as error:
        raise RequestError(404, str(error)) from None
    except ClusterError as error:
        raise RequestError(422, str(error)) from None
    return {
        "record": event.name,
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "timestamp_ms": event.timestamp_ms,
    }
