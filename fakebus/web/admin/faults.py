"""Faults that are switched on over HTTP."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from fakebus.broker.faults import Delay, Fail, Fault
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError

_FOR_S = 600.0
"""How long a fault is in force if nobody says so: it may well be forgotten."""
_LARGEST = 1_000_000_000
_TEXT, _NUMBER = (str,), (int, float)
_FIELDS: dict[str, tuple[type, ...]] = {
    "api": _TEXT,
    "error": _TEXT,
    "delay_s": _NUMBER,
    "disconnect": _TEXT,
    "topic": _TEXT,
    "group": _TEXT,
    "client_id": _TEXT,
    "times": (int,),
    "probability": _NUMBER,
    "for_s": _NUMBER,
}
_EFFECTS = ("error", "delay_s", "disconnect")


async def list_faults(call: AdminCall) -> object:
    """List the faults that may still happen, oldest first."""
    return [_json(call, fault) for fault in call.bus.broker.faults.in_force()]


async def add_fault(call: AdminCall) -> object:
    """Let requests fail, come late or lose their connection, for a time."""
    body = {name: value for name, value in (await call.body()).items() if value is not None}
    for name, value in body.items():
        kinds = _FIELDS.get(name)
        if kinds is None:
            raise RequestError(422, f"{name[:80]!r} is none of {', '.join(_FIELDS)}")
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise RequestError(422, f"{name} is a {'text' if kinds is _TEXT else 'number'}")
        if isinstance(value, int | float) and not value <= _LARGEST:
            raise RequestError(422, f"{name} is at most {_LARGEST}")
    given = [name for name in _EFFECTS if name in body]
    if len(given) != 1:
        raise RequestError(422, f"say what happens by one of {', '.join(_EFFECTS)}")
    try:
        return _json(call, _added(call, given[0], body))
    except (LookupError, ValueError) as error:
        raise RequestError(422, str(error.args[0])) from None


def _added(call: AdminCall, effect: str, body: dict[str, Any]) -> Fault:
    faults, what = call.bus.broker.faults, body.pop(effect)
    api, count = body.pop("api", None), body.pop("times", None)
    aim: Any = {"for_s": _FOR_S, **body, "count": count}
    if effect == "delay_s":
        return faults.delay(seconds=what, api=api, **aim)
    if effect == "disconnect":
        if what not in ("before", "after"):
            raise ValueError("disconnect is before or after the request is carried out")
        return faults.disconnect(api=api, before=what == "before", after=what == "after", **aim)
    if api is None:
        raise ValueError("an error needs the api that answers it, such as Produce")
    return faults.fail(api=api, error=what, **aim)


async def remove_fault(call: AdminCall) -> object:
    """Let a fault not happen any more."""
    for fault in call.bus.broker.faults.in_force():
        if str(fault.number) == call.path("fault"):
            fault.remove()
            return web.Response(status=204)
    raise RequestError(404, f"no fault {call.path('fault')[:80]!r} is on; look at fakebus faults")


async def clear_faults(call: AdminCall) -> object:
    """Let no fault happen any more."""
    for fault in call.bus.broker.faults.in_force():
        fault.remove()
    return web.Response(status=204)


def _json(call: AdminCall, fault: Fault) -> dict[str, object]:
    effect, now_s = fault.effect, call.bus.broker.clock.monotonic()
    ends_in_s = None if fault.until_s is None else round(max(0.0, fault.until_s - now_s), 3)
    is_delay = isinstance(effect, Delay)
    return {
        "fault": fault.number,
        "description": fault.description,
        "effect": "fail" if isinstance(effect, Fail) else "delay" if is_delay else "disconnect",
        "api": None if fault.api is None else fault.api.name,
        "topic": fault.topic,
        "group": fault.group,
        "client_id": fault.client_id,
        "times": fault.count,
        "left": fault.left,
        "fired": fault.fired,
        "probability": fault.probability,
        "since_ms": fault.since_ms,
        "ends_in_s": ends_in_s,
    }
