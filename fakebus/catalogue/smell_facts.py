"""What queries of smells look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fakebus.catalogue.event_types import Catalogue, EventType
from fakebus.catalogue.subjects import Landscape, TopicFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Place where something smells."""

    about: str
    evidence: Sequence[str]
    records: Sequence[str] = ()
    where: str = ""


@dataclass(frozen=True)
class Facts:
    """Facts about event types, and about flows of records where a bus tells them."""

    landscape: Landscape
    catalogue: Catalogue
    flow: Mapping[str, Any]

    def topics(self, event: EventType) -> list[TopicFacts]:
        """Return the topics of an event type that are known."""
        known = self.landscape.topics
        return [known[name] for name in event.topics if name in known]

    @cached_property
    def records(self) -> dict[str, Mapping[str, Any]]:
        """The records of the flow by their names."""
        return {each["record"]: each for each in self.flow.get("records", ())}

    @cached_property
    def edges(self) -> list[Mapping[str, Any]]:
        """The edges that are sure: no rivals, both ends known and written by a service."""
        return [
            each
            for each in self.flow.get("edges", ())
            if not each["rivals"]
            and all(self.records.get(each[end], {}).get("service") for end in ("from", "to"))
        ]

    @cached_property
    def caused(self) -> dict[str, list[str]]:
        """The effects of records by their names."""
        found: dict[str, list[str]] = {}
        for each in self.edges:
            found.setdefault(each["from"], []).append(each["to"])
        return found

    def readers(self, topic: str) -> set[str]:
        """Return the services that read a topic, as declared or seen."""
        return {
            one.service
            for event in self.catalogue.event_types
            if topic in event.topics
            for one in event.consumers
        }
