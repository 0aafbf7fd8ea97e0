"""The schemas of all events that the installed openedx-events can serialise."""

from __future__ import annotations

import json
from functools import cache

from fakebus.openedx.catalogue import load_catalogue


@cache
def openedx_schemas() -> dict[str, str]:
    """Return the texts that producers register, by event type."""
    return {one.event_type: json.dumps(one.schema, sort_keys=True) for one in load_catalogue()}
