"""Clients: who has been here, which service each belongs to, and how that is put right."""

from __future__ import annotations

from fakebus.lineage.services import PATTERNS, ServiceRule
from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page, Redirect
from fakebus.web.console.pages.start import services_of
from fakebus.web.errors import RequestError

_MOST_ROWS = 300
_MOST_LETTERS = 10_000
_WHAT = "who the clients are"


async def index(call: Call) -> Page:
    """List services and their clients, and the rules by which they are told apart."""
    lineage = call.cluster.bus(_WHAT).lineage
    wanted = call.query.text("q").lower()
    clients = [
        each
        for each in await lineage.list_clients()
        if any(wanted in str(each[name]).lower() for name in ("client_id", "service", "groups"))
    ]
    clients.sort(key=lambda each: not each["connected"])
    return Page(
        template="clients.html",
        values={
            "wanted": call.query.text("q"),
            "clients": clients[:_MOST_ROWS],
            "left": max(len(clients) - _MOST_ROWS, 0),
            "services": services_of(clients),
            "rules": lineage.services.rules[:_MOST_ROWS],
            "patterns": PATTERNS,
            "named": call.query.raw("name_client"),
        },
    )


async def name(call: Call) -> Redirect:
    """Say which clients belong to a service; without patterns its rule goes."""
    service = call.form.text("service")
    if not service or len(service) > 200:
        raise RequestError(400, "give the service a name of up to 200 letters")
    found = {
        kind: [line.strip() for line in call.form.raw(kind).splitlines() if line.strip()]
        for kind in PATTERNS
    }
    if sum(len(each) for patterns in found.values() for each in patterns) > _MOST_LETTERS:
        raise RequestError(400, f"the patterns have more than {_MOST_LETTERS} letters")
    await call.cluster.bus(_WHAT).lineage.set_service(ServiceRule(service, **found))
    done = (
        f"Clients that fit belong to {service} now."
        if any(found.values())
        else (f"The rule of {service} is gone.")
    )
    return Redirect(url=page_url("clients"), done=done)
