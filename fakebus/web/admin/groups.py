"""Groups of the bus, of all types."""

from __future__ import annotations

from fakebus.broker.activity import Origin
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError
from fakebus.wording import nearest


async def list_groups(call: AdminCall) -> object:
    """Tell which groups there are, of all types."""
    groups = await _cluster(call).groups()
    return [{"group": each.name, "state": each.state, "type": each.kind} for each in groups]


async def describe_group(call: AdminCall) -> object:
    """Tell who the members of a group are, what they read, and how far the group is."""
    name = call.path("group")
    found = await _cluster(call).find_group(name)
    if found is None:
        names = call.bus.broker.group_coordinator.names()
        raise RequestError(404, f"there is no group {name!r}; {nearest(name, names)}")
    return found.told()


def _cluster(call: AdminCall) -> EmbeddedCluster:
    return EmbeddedCluster(call.bus, Origin(front_end="http"))
