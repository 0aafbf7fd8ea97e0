"""Clients of the bus."""

from __future__ import annotations

from fakebus.broker.activity import Activity
from fakebus.web.admin.call import AdminCall


async def clients(call: AdminCall) -> object:
    """Tell which clients the bus has met, and what they do."""
    return await call.bus.lineage.list_clients()


async def activities(call: AdminCall) -> object:
    """Tell what clients have done besides reading and writing, and where they read."""
    activity = call.bus.broker.activity
    return {
        "activities": [
            {**_told(each), "origin": {"client_id": each.origin.client_id}}
            for each in activity.rare()
        ],
        "positions": [
            {
                "client_id": client_id,
                "topic": place.topic,
                "partition": place.partition,
                "offset": offset,
            }
            for client_id, place, offset in activity.positions.all()
        ],
    }


def _told(activity: Activity) -> dict[str, object]:
    fields = ("verb", "at_ms", "topic", "partition", "offset", "last_offset", "group", "detail")
    return {name: getattr(activity, name) for name in fields}
