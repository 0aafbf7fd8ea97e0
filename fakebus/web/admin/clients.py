"""Clients of the bus."""

from __future__ import annotations

from fakebus.web.admin.call import AdminCall


async def activities(call: AdminCall) -> object:
    """Tell what clients have done besides reading and writing, and where they read."""
    activity = call.bus.broker.activity
    # It costs every request a little, so that it waits for somebody who wants to know.
    activity.is_on = True
    return {
        "activities": [
            {**each._asdict(), "origin": {"client_id": each.origin.client_id}}
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
