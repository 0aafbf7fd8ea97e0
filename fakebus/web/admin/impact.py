"""What a change of a subject would break."""

from __future__ import annotations

import asyncio
from typing import Any

from fakebus.broker.activity import Origin
from fakebus.catalogue.impact import Proposal, UnknownSubjectError, impact_of
from fakebus.catalogue.of_cluster import DAYS, bus_landscape
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.errors import FakebusError
from fakebus.schemas.languages import LANGUAGES
from fakebus.web.admin.call import AdminCall
from fakebus.web.errors import RequestError

_MAX_DAYS = 36500
_TEXTS = ("subject", "schema", "schemaType", "removeField", "file")


async def read_impact(call: AdminCall) -> object:
    """Tell whom it breaks that a subject loses a field, or goes."""
    return await _impact(
        call,
        {
            "subject": call.text("subject"),
            "removeField": call.text("removeField") or None,
            "remove": call.flag("remove"),
        },
    )


async def ask_impact(call: AdminCall) -> object:
    """Tell whom it breaks that a subject gets another schema, loses a field, or goes."""
    return await _impact(call, await call.fields((*_TEXTS, "remove", "days")))


async def _impact(call: AdminCall, given: dict[str, Any]) -> object:
    subject, proposal = _proposal(given)
    days = given.get("days", call.number("days", DAYS))
    if not isinstance(days, int) or not 0 <= days <= _MAX_DAYS:
        raise RequestError(422, f"days is a whole number up to {_MAX_DAYS}")
    landscape = await bus_landscape(EmbeddedCluster(call.bus, Origin(front_end="http")), days=days)
    try:
        # Comparing takes its time, which clients need not wait for.
        return await asyncio.to_thread(lambda: impact_of(landscape, subject, proposal).as_json())
    except UnknownSubjectError as error:
        raise RequestError(404, str(error), error_code=40401) from None
    except FakebusError as error:
        raise RequestError(422, str(error), error_code=42201) from None


def _proposal(given: dict[str, Any]) -> tuple[str, Proposal]:
    texts = {}
    for name in _TEXTS:
        text = given.get(name)
        if text is not None and not isinstance(text, str):
            raise RequestError(422, f"{name} is a text")
        texts[name] = text or None
    ways = (texts["schema"] is not None, texts["removeField"] is not None, given.get("remove"))
    if texts["subject"] is None or sum(map(bool, ways)) != 1:
        raise RequestError(422, "give subject, and one of schema, removeField and remove")
    kind = texts["schemaType"]
    if kind is not None and kind not in LANGUAGES:
        raise RequestError(422, f"schemaType is one of {', '.join(LANGUAGES)}")
    return texts["subject"], Proposal(
        schema=texts["schema"],
        schema_type=kind,
        field=texts["removeField"],
        file=texts["file"] or "the schema",
    )
