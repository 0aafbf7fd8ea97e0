"""Why a consumer group is stuck."""

from __future__ import annotations

from fakebus.lineage.why.broker_view import explain_group
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.wording import nearest


async def why(call: AdminCall) -> object:
    """Tell why a consumer group is stuck, if it is."""
    broker, name = call.bus.broker, call.path("group")
    found = await explain_group(broker, call.bus.lineage, name)
    if found is None:
        near = nearest(name, broker.group_coordinator.names())
        raise RequestError(404, f"there is no group {name!r}; {near}")
    return found
