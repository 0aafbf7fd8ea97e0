"""What a running bus knows of its subjects, topics and consumers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from fakebus.broker.broker import Broker
from fakebus.catalogue.subjects import (
    Landscape,
    LiveConsumer,
    Subject,
    Version,
    declared,
    of_set,
    overlaid,
)
from fakebus.errors import FakebusError
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.parties import Parties
from fakebus.fixture_files.seeding.seeder import read_ledger
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import RegisteredSchema
from fakebus.registry.registry import Registry

DAYS = 7
"""For how long a group counts as a consumer after its last commit."""
_DAY_MS = 24 * 60 * 60 * 1000
logger = logging.getLogger("fakebus.catalogue")


async def bus_landscape(
    broker: Broker,
    registry: Registry,
    fixtures: Sequence[Path] = (),
    profile: str | None = None,
    days: int = DAYS,
) -> Landscape:
    """Return what a bus knows.

    Args:
        broker: its topics and groups.
        registry: its schemas.
        fixtures: the sets that it was seeded from, which are read again for their events.
        profile: the part of them that was seeded.
        days: for how long a group counts as a consumer after its last commit.
    """
    parties = (await read_ledger(broker)).parties
    subjects = {
        name: await _subject(broker, registry, name, parties) for name in registry.subjects()
    }
    found = Landscape(
        subjects={name: one for name, one in subjects.items() if one is not None},
        live=live_consumers(broker, days),
    )
    if not fixtures:
        return found
    try:
        # Large sets take their time, which clients need not wait for.
        said = await asyncio.to_thread(_said, fixtures, profile, broker.clock.now_ms())
    except FakebusError as error:
        logger.warning("the events of fixtures are left out, as they cannot be read: %s", error)
        return found
    return overlaid(found, said)


def _said(fixtures: Sequence[Path], profile: str | None, now_ms: int) -> Landscape:
    return of_set(load_fixtures(fixtures, now_ms=now_ms, profile=profile))


async def _subject(
    broker: Broker, registry: Registry, name: str, parties: Parties
) -> Subject | None:
    versions = []
    for number in registry.versions(name):
        schema = registry.version(name, number)
        try:
            versions.append(await _version(registry, schema))
        except RegistryError:
            # What others have stored may be no schema at all.
            continue
    if not versions:
        return None
    level = registry.config(name, default_to_global=True)["compatibilityLevel"]
    topics = [topic.name for topic in broker.topics]
    known = declared(name, parties, topics)
    known["place"] = known["place"] or f"{name} version {versions[-1].number}"
    return Subject(name=name, versions=versions, level=str(level), **known)


async def _version(registry: Registry, schema: RegisteredSchema) -> Version:
    parsed, resolved = await registry.parsed_version(schema)
    return Version(
        number=schema.version,
        parsed=parsed,
        text=schema.schema,
        references=tuple((one.name, one.subject, one.version) for one in schema.references),
        resolved=resolved,
    )


def live_consumers(broker: Broker, days: int = DAYS) -> list[LiveConsumer]:
    """Return the groups that have committed in the last days, once for each topic."""
    coordinator = broker.group_coordinator
    since_ms = broker.clock.now_ms() - days * _DAY_MS
    found: dict[tuple[str, str], LiveConsumer] = {}
    for group, rows in coordinator.all_offsets().items():
        description = coordinator.describe(group)
        members = () if description is None else description.members
        names = tuple(dict.fromkeys(member.client_id for member in members))
        for place, row in rows.items():
            before = found.get((group, place.topic))
            at_ms = row.commit_timestamp_ms
            if at_ms < since_ms or (before is not None and before.committed_at_ms >= at_ms):
                continue
            found[group, place.topic] = LiveConsumer(
                group=group,
                topic=place.topic,
                where=f"{place.topic}[{place.partition}]@{row.offset}",
                committed_at_ms=at_ms,
                services=names,
            )
    return list(found.values())
