"""Which topic and which key Open edX's services use for an event; ``routes.yaml`` has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_PREFIX = "org.openedx."


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Route of the events of some types."""

    topic: str
    key_field: str
    """Path of the key in the event's data."""
    owner: str
    """The one service that sends them."""
    consumers: tuple[str, ...] = ()


@cache
def _routes() -> Mapping[str, Route]:
    written = yaml.safe_load(Path(__file__).with_name("routes.yaml").read_text(encoding="utf-8"))
    return {
        beginning: Route(**{**route, "consumers": tuple(route.get("consumers", ()))})
        for beginning, route in written.items()
    }


def route_of(event_type: str) -> Route | None:
    """Return where events of a type go, or ``None`` for a type that is not known here."""
    words = event_type.removeprefix(_PREFIX).split(".")
    for length in range(len(words), 0, -1):
        route = _routes().get(".".join(words[:length]))
        if route is not None:
            return route
    return None
