"""Replay of records over HTTP, step by step."""

from __future__ import annotations

from typing import Any

from fakebus.web.admin.call import AdminCall
from fakebus.web.connection import origin_of
from fakebus.web.errors import RequestError

_TEXT = (str,)
_FIELDS: dict[str, tuple[type, ...]] = {
    "ranges": (list,),
    "since": _TEXT,
    "until": _TEXT,
    "to": _TEXT,
    "filter": _TEXT,
    "headers": _TEXT,
    "speed": (int, float),
    "dry_run": (bool,),
    "cursor": (dict,),
}


async def replay(call: AdminCall) -> object:
    """Write records once more, for some seconds, and tell how to go on."""
    from fakebus.cluster.embedded import EmbeddedCluster
    from fakebus.cluster.interface import ClusterError, NotFoundError
    from fakebus.cluster.replay import ReplayRequest, replay_step
    from fakebus.errors import ConfigError

    fields = await call.fields(_FIELDS)
    body = {name: value for name, value in fields.items() if value is not None}
    for name, value in body.items():
        if not isinstance(value, _FIELDS[name]) or (name == "speed" and isinstance(value, bool)):
            raise RequestError(422, f"{name} is a {_FIELDS[name][-1].__name__}")
    if not all(isinstance(each, str) for each in body.get("ranges", ())):
        raise RequestError(422, "ranges are texts, such as orders[0]@12..20")
    origin = origin_of(call.request, "rest", call.bus.broker.activity)
    cluster, cursor = EmbeddedCluster(call.bus, origin), body.pop("cursor", None)
    try:
        given: dict[str, Any] = body
        step = await replay_step(cluster, ReplayRequest(**given), cursor)
    except NotFoundError as error:
        raise RequestError(404, str(error)) from None
    except (ClusterError, ConfigError) as error:
        raise RequestError(422, str(error)) from None
    return step.json()
