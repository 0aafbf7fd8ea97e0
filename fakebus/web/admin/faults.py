"""Faults that are switched on over HTTP."""

from __future__ import annotations

from aiohttp import web

from fakebus.broker.fault import EFFECT_NAMES, Fault
from fakebus.broker.fault_choices import switch_on
from fakebus.broker.faults import LARGEST
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError

_TEXT, _NUMBER, _FLAG = (str,), (int, float), (bool,)
_FIELDS: dict[str, tuple[type, ...]] = {
    "api": _TEXT,
    "error": _TEXT,
    "delay_s": _NUMBER,
    "throttle_s": _NUMBER,
    "disconnect": _TEXT,
    "corrupt": _FLAG,
    "duplicate": _FLAG,
    "storage_full": _FLAG,
    "partial": _FLAG,
    "partition": (int,),
    "topic": _TEXT,
    "group": _TEXT,
    "client_id": _TEXT,
    "times": (int,),
    "probability": _NUMBER,
    "for_s": _NUMBER,
}


async def list_faults(call: AdminCall) -> object:
    """List the faults that may still happen, oldest first."""
    return [_json(call, fault) for fault in call.bus.broker.faults.in_force()]


async def add_fault(call: AdminCall) -> object:
    """Let requests fail, come late or lose their connection, or records go wrong, for a time."""
    body = {
        name: value for name, value in (await call.fields(_FIELDS)).items() if value is not None
    }
    for name, value in body.items():
        kinds = _FIELDS[name]
        if not isinstance(value, kinds) or isinstance(value, bool) != (kinds is _FLAG):
            what = "a text" if kinds is _TEXT else "true or false" if kinds is _FLAG else "a number"
            raise RequestError(422, f"{name} is {what}")
        if isinstance(value, int | float) and not value <= LARGEST:
            raise RequestError(422, f"{name} is at most {LARGEST}")
    try:
        return _json(call, switch_on(call.bus.broker.faults, **body))
    except (LookupError, ValueError) as error:
        raise RequestError(422, str(error.args[0])) from None


async def remove_fault(call: AdminCall) -> object:
    """Let a fault not happen any more."""
    try:
        call.bus.broker.faults.get(call.path("fault")).remove()
    except LookupError as error:
        raise RequestError(404, str(error.args[0])) from None
    return web.Response(status=204)


async def clear_faults(call: AdminCall) -> object:
    """Let no fault happen any more."""
    for fault in call.bus.broker.faults.in_force():
        fault.remove()
    return web.Response(status=204)


def _json(call: AdminCall, fault: Fault) -> dict[str, object]:
    now_s = call.bus.broker.clock.monotonic()
    ends_in_s = None if fault.until_s is None else round(max(0.0, fault.until_s - now_s), 3)
    return {
        "fault": fault.number,
        "description": fault.description,
        "effect": EFFECT_NAMES[type(fault.effect)],
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
