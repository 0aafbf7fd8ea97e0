"""Names of the rules of :mod:`fakebus.fixture_files.lint`."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "unused-schema": "no topic, file, event or reference uses the schema",
    "unused-file": "nothing loads the file of events",
    "duplicate-event": "two events are the same in everything",
    "ce-attribute": "CloudEvents attributes are missing or ill-formed",
    "ce-duplicate-id": "two CloudEvents have the same source and id",
    "oep41-type": "the event type is not named as OEP-41 wants it",
    "oep41-one-producer": "events of one type come from several sources",
    "oep41-size": "the event is larger than OEP-41's 64 KB",
    "openedx-falsy-optional": "Open edX reads a falsy optional field as missing",
}
"""Every rule with what it finds."""

OEP41 = "oep41"
CONVENTIONS = (OEP41,)
"""Conventions of services that a set can say it follows."""
