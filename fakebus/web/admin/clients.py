"""Clients of the bus."""

from __future__ import annotations

from fakebus.broker.activity import Activity
from fakebus.lineage.services import PATTERNS, ServiceRule, TooManyRulesError
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError


async def clients(call: AdminCall) -> object:
    """Tell which clients the bus has met, and what they do."""
    return await call.bus.lineage.list_clients()


async def list_services(call: AdminCall) -> object:
    """Tell which services are named by rules, and by what; first those that were set here."""
    await call.bus.lineage.settle()
    services = call.bus.lineage.services
    rules = [*services.rules, *services.declared.values()]
    here = {rule.service for rule in services.rules}
    return [{**rule._asdict(), "declared": rule.service not in here} for rule in rules]


async def name_service(call: AdminCall) -> object:
    """Say which clients belong to a service; without patterns its rule goes."""
    body = await call.fields(PATTERNS)
    for name, found in body.items():
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise RequestError(422, f"{name} is a list of texts, which may have * and ?")
    rule = ServiceRule(call.path("service"), **body)
    try:
        await call.bus.lineage.set_service(rule)
    except TooManyRulesError as error:
        raise RequestError(422, str(error)) from None
    return rule._asdict()


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
