"""Records that are written over HTTP."""

from __future__ import annotations

from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError


async def produce(call: AdminCall) -> object:
    """Write an event as fixture files have it, and tell where it is."""
    from fakebus.broker.activity import Origin
    from fakebus.cluster.composing import produce_event
    from fakebus.cluster.embedded import EmbeddedCluster
    from fakebus.cluster.interface import ClusterError, NotFoundError

    client_id = call.request.headers.get("User-Agent", "")
    cluster = EmbeddedCluster(call.bus, Origin(front_end="http", client_id=client_id))
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
