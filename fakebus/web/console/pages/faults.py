"""Faults: what goes wrong on purpose, switched on and off."""

from __future__ import annotations

from typing import Any

from fakebus.broker.fault_choices import switch_on
from fakebus.broker.faults import LARGEST, Faults
from fakebus.errors import ErrorCode
from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Fields, Page, Redirect
from fakebus.web.errors import RequestError

EFFECTS = {
    "error": "fail with an error",
    "delay": "come later",
    "throttle": "are throttled",
    "before": "lose the connection, not carried out",
    "after": "lose the connection, carried out",
    "corrupt": "bring damaged records (Fetch)",
    "duplicate": "are carried out twice (Produce)",
    "storage_full": "find the disk full, whatever they write",
}
_FLAGS = ("corrupt", "duplicate", "storage_full")
_NUMBERS = {"delay_s": float, "partition": int, "times": int, "percent": float, "for_s": float}
LABELS = {
    "delay_s": "By seconds",
    "partition": "Only partition",
    "times": "At most so often",
    "percent": "How likely, in %",
    "for_s": "For seconds",
}
"""What the form calls its numbers, also where one of them is wrong."""


def _faults(call: Call) -> Faults:
    return call.cluster.bus("what fails on purpose").broker.faults


async def index(call: Call) -> Page:
    """List the faults that are on, above the form for another one."""
    return _page(call, Fields(()))


def _page(call: Call, form: Fields, problem: str = "") -> Page:
    faults = _faults(call)
    broker = call.cluster.bus("what fails on purpose").broker
    return Page(
        template="faults.html",
        status=400 if problem else 200,
        values={
            "active": faults.in_force(),
            "now_s": broker.clock.monotonic(),
            "form": form,
            "problem": problem,
            "effects": EFFECTS,
            "labels": LABELS,
            "apis": faults.names,
            "errors": sorted(each.name for each in ErrorCode if each is not ErrorCode.NONE),
            "topics": sorted(topic.name for topic in broker.topics)[:500],
        },
    )


async def add(call: Call) -> Page | Redirect:
    """Let something go wrong."""
    form = call.form
    try:
        fault = switch_on(_faults(call), **_wanted(form))
    except (LookupError, ValueError) as error:
        return _page(call, form, str(error.args[0]))
    done = f"Fault {fault.number} is on: {fault.description}."
    return Redirect(url=page_url("faults"), done=done)


def _wanted(form: Fields) -> dict[str, Any]:
    """Return what a form says, as faults are added; ValueError for what is no number."""
    effect = form.text("effect")
    _check_effect(form, effect)
    wanted: dict[str, Any] = {
        name: form.text(name) or None for name in ("api", "topic", "group", "client_id")
    }
    if effect == "error":
        wanted["error"] = form.text("error")
        wanted["partial"] = bool(form.text("partial"))
    elif effect in ("before", "after"):
        wanted["disconnect"] = effect
    elif effect in _FLAGS:
        wanted[effect] = True
    for name, kind in _NUMBERS.items():
        text = form.text(name)
        if text and (name != "delay_s" or effect in ("delay", "throttle")):
            try:
                number = kind(text[:20])
            except ValueError:
                told = "a whole number" if kind is int else "a number"
                raise ValueError(
                    f"{LABELS[name]}: this has to be {told}, not {text[:80]!r}"
                ) from None
            if not abs(number) <= LARGEST:
                raise ValueError(f"{LABELS[name]}: this is at most {LARGEST}")
            wanted["throttle_s" if (name, effect) == ("delay_s", "throttle") else name] = number
    if "percent" in wanted:
        wanted["probability"] = wanted.pop("percent") / 100
    return wanted


def _check_effect(form: Fields, effect: str) -> None:
    if effect not in EFFECTS:
        raise ValueError("choose what happens to requests")
    if effect in ("delay", "throttle") and not form.text("delay_s"):
        raise ValueError(f"{LABELS['delay_s']}: say by how many seconds requests {EFFECTS[effect]}")


async def remove(call: Call) -> Redirect:
    """Let one fault not happen any more, or none without a number."""
    faults, number = _faults(call), call.form.text("fault")
    try:
        ended = [faults.get(number)] if number else faults.in_force()
    except LookupError as error:
        raise RequestError(404, str(error.args[0])) from None
    for fault in ended:
        fault.remove()
    done = f"Fault {number} is off." if number else "All faults are off."
    return Redirect(url=page_url("faults"), done=done)
