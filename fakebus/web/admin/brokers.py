"""The brokers that the bus seems to have, stopped and started over HTTP."""

from __future__ import annotations

from fakebus.broker.nodes import KEPT_IN
from fakebus.errors import BrokerError, FakebusError
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError


async def list_brokers(call: AdminCall) -> object:
    """List the brokers by number, with what they lead."""
    return [_json(call, node_id) for node_id in call.bus.broker.nodes.ids]


async def stop_broker(call: AdminCall) -> object:
    """Stop a broker: its clients are dropped, and others lead what it has led."""
    return await _change(call, running=False)


async def start_broker(call: AdminCall) -> object:
    """Start a broker again, at the address that it had."""
    return await _change(call, running=True)


async def _change(call: AdminCall, *, running: bool) -> object:
    nodes = call.bus.broker.nodes
    named = {str(node_id): node_id for node_id in nodes.ids}
    node_id = named.get(call.path("broker"))
    if node_id is None:
        raise RequestError(
            404, f"there is no broker {call.path('broker')[:80]!r}; there are {', '.join(named)}"
        )
    try:
        await (nodes.start if running else nodes.stop)(node_id)
    except BrokerError as error:
        raise RequestError(409, str(error.message), error_code=40902) from None
    except FakebusError as error:
        raise RequestError(500, str(error)) from None
    return _json(call, node_id)


def _json(call: AdminCall, node_id: int) -> dict[str, object]:
    broker, nodes = call.bus.broker, call.bus.broker.nodes
    led = sum(nodes.leader(log) == node_id for topic in broker.topics for log in topic.partitions)
    groups = broker.group_coordinator.list_groups()
    coordinates = (nodes.coordinator(KEPT_IN["GROUP"], each.group_id) for each in groups)
    return {
        "broker": node_id,
        "address": nodes.addresses.get(node_id, ""),
        "running": nodes.is_running(node_id),
        "controller": nodes.controller == node_id,
        "leads": led,
        "coordinates": sum(each == node_id for each in coordinates),
    }
