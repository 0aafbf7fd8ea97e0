"""Faults as people choose them for a running bus, by one of a closed list of effects."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from fakebus.broker.fault import Fault
from fakebus.broker.faults import Aim, Faults

FOR_S = 600.0
"""How long such a fault is in force when nobody says: it may well be forgotten."""
_OF_ONE_API = {
    "corrupt": (Faults.corrupt, "Fetch"),
    "duplicate": (Faults.duplicate, "Produce"),
}


class Choice(TypedDict, total=False):
    """Effect of a fault; exactly one of the first seven."""

    error: str | None
    delay_s: float | None
    throttle_s: float | None
    disconnect: str | None
    corrupt: bool
    duplicate: bool
    storage_full: bool
    api: str | None
    topic: str | None
    group: str | None
    client_id: str | None
    partial: bool
    partition: int | None
    times: int | None
    probability: float
    for_s: float | None


EFFECTS = ("error", "delay_s", "throttle_s", "disconnect", "corrupt", "duplicate", "storage_full")


def switch_on(faults: Faults, **choice: Unpack[Choice]) -> Fault:
    """Add a fault that ends by itself.

    Args:
        faults: those of the bus.
        choice: what happens by one of ``error`` (as for :meth:`Faults.fail`), ``delay_s`` and
            ``throttle_s`` (in seconds), ``disconnect`` (``before`` or ``after`` the request is
            carried out), ``corrupt``, ``duplicate`` and ``storage_full``. ``api`` is needed for an
            error, else any of Kafka's when left out; ``partial`` and ``partition`` are as for
            :meth:`Faults.fail`; ``times`` is how often, always when left out; the rest is the aim
            of :meth:`Faults.fail`, and it ends after ``FOR_S`` when ``for_s`` is left out.

    Raises:
        LookupError: as for :meth:`Faults.fail`.
        ValueError: not exactly one thing is to happen, or as for :meth:`Faults.fail`.
    """
    wanted: dict[str, Any] = {name: each for name, each in choice.items() if each is not None}
    effects = {name: each for name in EFFECTS if (each := wanted.pop(name, False)) is not False}
    if len(effects) != 1:
        raise ValueError(f"say what happens by one of {', '.join(EFFECTS)}")
    [(effect, value)] = effects.items()
    api = wanted.pop("api", None)
    parts = {name: wanted.pop(name) for name in ("partial", "partition") if name in wanted}
    if parts and effect != "error":
        raise ValueError("only an error can be for a part of a request")
    aim: Any = {"for_s": FOR_S, "count": wanted.pop("times", None), **wanted}
    if effect == "delay_s":
        return faults.delay(seconds=value, api=api, **aim)
    if effect == "throttle_s":
        return faults.throttle(seconds=value, api=api, **aim)
    if effect == "disconnect":
        if value not in ("before", "after"):
            raise ValueError("disconnect is before or after the request is carried out")
        is_before = value == "before"
        return faults.disconnect(api=api, before=is_before, after=not is_before, **aim)
    if effect == "error":
        if api is None:
            raise ValueError("an error needs the api that answers it, such as Produce")
        return faults.fail(api=api, error=value, **parts, **aim)
    return _without_words(faults, effect, api, aim)


def _without_words(faults: Faults, effect: str, api: str | None, aim: Aim) -> Fault:
    if effect == "storage_full":
        if api is not None or {"topic", "group", "client_id"} & aim.keys():
            raise ValueError("a full disk is everybody's: leave out whom it is for")
        return faults.fill_storage(**aim)  # type: ignore[misc]  # what names requests is out
    add, only = _OF_ONE_API[effect]
    if api is not None and faults.api_named(api).name != only:
        raise ValueError(f"{effect} is for {only} alone")
    return add(faults, **aim)
