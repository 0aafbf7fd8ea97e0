"""Smells of a system of events: what may be wrong, by what evidence, and what to consider.

A smell is an entry in ``smells.yaml``, and a query of its name in the table beneath. Those that
declarations show are looked for everywhere; others need what only a bus sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fakebus.catalogue import declared_smells, dual_emit, flow_smells
from fakebus.catalogue.event_types import Catalogue, catalogue_of
from fakebus.catalogue.smell_facts import Facts, Found
from fakebus.catalogue.subjects import Landscape

_TABLE = Path(__file__).with_name("smells.yaml")
_QUERIES: Mapping[str, Callable[[Facts, Mapping[str, Any]], Iterator[Found]]] = {
    "nobody_listens": declared_smells.nobody_listens,
    "several_writers": declared_smells.several_writers,
    "foreign_writer": declared_smells.foreign_writer,
    "ownerless": declared_smells.ownerless,
    "command_as_event": declared_smells.command_as_event,
    "entity_without_key": declared_smells.entity_without_key,
    "entity_without_compaction": declared_smells.entity_without_compaction,
    "personal_data_kept_for_ever": declared_smells.personal_data_kept_for_ever,
    "fat_event": declared_smells.fat_event,
    "service_cycle": declared_smells.service_cycle,
    "two_versions": dual_emit.two_versions,
    "request_and_reply": flow_smells.request_and_reply,
    "waiting_chain": flow_smells.waiting_chain,
    "chatty": flow_smells.chatty,
    "slow_group": flow_smells.slow_group,
    "bulk_burst": flow_smells.bulk_burst,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Smell:
    """Smell that was found."""

    smell: str
    about: str
    """The event type, topic, group or services."""
    evidence: list[str]
    """What it is seen by, in words."""
    records: list[str]
    """Records that show it."""
    where: str
    """File and line of what is declared; empty if it is not declared."""
    why: str
    """Why it matters."""
    consider: str
    """What to consider."""

    def as_json(self) -> dict[str, Any]:
        """Return the smell as commands and HTTP give it."""
        return asdict(self)


@cache
def smell_table() -> Mapping[str, Mapping[str, Any]]:
    """Return the table: by name ``limits``, ``why`` and ``consider``."""
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return found


def smells_of(
    landscape: Landscape, flow: Mapping[str, Any] | None = None, catalogue: Catalogue | None = None
) -> list[Smell]:
    """Return what smells.

    Args:
        landscape: what is declared and there.
        flow: records and edges of the newest records, as a bus tells flows; ``None`` if there is
            nobody who could tell.
        catalogue: of the landscape, if it is made already.
    """
    facts = Facts(landscape, catalogue or catalogue_of(landscape), flow or {})
    return [
        Smell(
            smell=name,
            about=found.about,
            evidence=list(found.evidence),
            records=list(found.records),
            where=found.where,
            why=entry["why"],
            consider=entry["consider"],
        )
        for name, entry in smell_table().items()
        for found in _QUERIES[name](facts, {**entry, **entry.get("limits", {})})
    ]
