"""Faults: what goes wrong on purpose."""

from __future__ import annotations

from fakebus.web.console.call import Call, Page


async def index(call: Call) -> Page:
    """List the faults that are on."""
    faults = call.cluster.bus("faults").broker.faults
    return Page(template="faults.html", values={"active": faults.in_force()})
