"""What a cluster and its registry know: a bus of this process, or any Kafka."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fakebus.broker.turns import Slices, in_turns
from fakebus.catalogue.event_types import Catalogue, catalogue_of
from fakebus.catalogue.smells import Smell, smells_of
from fakebus.catalogue.subjects import (
    Landscape,
    LiveConsumer,
    Stamp,
    Subject,
    TopicFacts,
    Version,
    declared,
    of_set,
    overlaid,
    sampled,
    stamp_of,
)
from fakebus.cluster.browsing import ReadRequest, noted_parties_of, read_page
from fakebus.cluster.events import Event
from fakebus.cluster.interface import (
    Cluster,
    NotFoundError,
    NotOnThisCluster,
    SchemaDetails,
    Schemas,
)
from fakebus.cluster.shared_works import works_of
from fakebus.errors import FakebusError
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.parties import Parties, TopicParties
from fakebus.lineage.place import Place
from fakebus.schemas.interface import ResolvedReference
from fakebus.types import TopicPartition

DAYS = 7
"""For how long a group counts as a consumer after its last commit."""
_DAY_MS = 24 * 60 * 60 * 1000
_EXAMPLES = 3
_SAMPLE = 50
"""How many records of a partition are looked at, ..."""
_LARGE = 4 << 20
"""Of topics whose records are larger on an average none is looked at."""
_SAMPLE_BYTES = 1 << 20
"""... in all partitions together not more than these, ..."""
_SAMPLE_S = 0.3
"""... and for not longer."""
_SMALL = 4096
"""Bytes of examples that are decoded on the event loop."""
_NEWEST = 200
"""Of a partition, how many records are looked at for smells."""
_MOST_LOOKED_AT = 1000
_MOST_REFERENCES = 1_000
Client = Mapping[str, Any]
"""What a bus tells of a client: its ``service``, ``groups`` and the topics it ``produces``."""
T = TypeVar("T")
logger = logging.getLogger("fakebus.catalogue")


async def shared(cluster: Cluster, what: Hashable, work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns; of a bus it is done once for all who ask at a time."""
    if cluster.is_external:
        return await work()
    return await works_of(cluster.bus("what it knows")).outcome(what, work)


async def cluster_landscape(
    cluster: Cluster, *, days: int = DAYS, details: bool = False, examples: bool = False
) -> Landscape:
    """Return what a cluster knows.

    Args:
        cluster: the cluster.
        days: for how long a group counts as a consumer after its last commit, where the cluster
            tells when that was.
        details: whether to ask for the configs of topics as well.
        examples: whether to read the newest records of topics.
    """
    wanted = days, details, examples
    return await shared(cluster, ("cluster", *wanted), partial(_landscape, cluster, *wanted))


async def _landscape(cluster: Cluster, days: int, details: bool, examples: bool) -> Landscape:
    summaries = [one for one in await cluster.topics() if not one.is_internal]
    parties = await noted_parties_of(cluster)
    # Who produces, only a bus knows.
    clients: Sequence[Client] = ()
    if not cluster.is_external:
        clients = await cluster.bus("who produces").lineage.list_clients()
    produced: dict[str, list[str]] = {}
    for client in clients:
        for name in client["produces"]:
            produced.setdefault(name, []).append(client["service"])
    topics = {}
    async for one in in_turns(summaries):
        facts = TopicFacts(
            name=one.name,
            parties=parties.topics.get(one.name, TopicParties(name=one.name)),
            partitions=one.partitions,
            records=one.records,
            seen_producers=tuple(dict.fromkeys(produced.get(one.name, ()))),
        )
        try:
            if details:
                facts = replace(facts, config=await _own_configs(cluster, one.name))
            if examples and one.mean_bytes < _LARGE:
                facts = await _with_examples(cluster, facts)
        except NotFoundError:
            continue  # it went meanwhile
        topics[one.name] = facts
    try:
        subjects = await subjects_of(cluster.schemas, parties, topics)
    except NotOnThisCluster:
        subjects = {}
    return Landscape(subjects=subjects, topics=topics, live=await _live(cluster, clients, days))


async def bus_landscape(
    cluster: Cluster, *, days: int = DAYS, details: bool = False, examples: bool = False
) -> Landscape:
    """Return what a bus of this process knows, with the sets that it was seeded from.

    They are read again for their events. If the files are gone, what is noted of them is left.
    """
    wanted = days, details, examples
    return await shared(cluster, ("bus", *wanted), partial(_of_bus, cluster, *wanted))


async def _of_bus(cluster: Cluster, days: int, details: bool, examples: bool) -> Landscape:
    found = await cluster_landscape(cluster, days=days, details=details, examples=examples)
    settings = cluster.bus("what it was seeded from").settings
    if not settings.fixtures:
        return found
    try:
        # Large sets take their time, which clients need not wait for.
        read = partial(_said, settings.fixtures, settings.profile, cluster.now_ms())
        said = await asyncio.to_thread(read)
    except FakebusError as error:
        logger.warning("the events of fixtures are left out, as they cannot be read: %s", error)
        return found
    return overlaid(found, said)


async def found_in_catalogue(cluster: Cluster, search: str = "") -> Catalogue:
    """Return the event types of a cluster in which all words of a text are found."""
    whole = partial(_catalogue, cluster)
    found = await shared(cluster, "catalogue", whole)
    if not search.strip():
        return found
    return await asyncio.to_thread(partial(found.found, search))


async def _catalogue(cluster: Cluster) -> Catalogue:
    landscape_of = cluster_landscape if cluster.is_external else bus_landscape
    landscape = await landscape_of(cluster, details=True, examples=True)
    # Comparing the versions of many schemas takes its time, which clients need not wait for.
    return await asyncio.to_thread(partial(catalogue_of, landscape))


async def smells_of_bus(cluster: Cluster) -> list[Smell]:
    """Return what may be wrong with the events of a bus, also by its newest records."""
    return await shared(cluster, "smells", partial(_smells, cluster))


async def _smells(cluster: Cluster) -> list[Smell]:
    bus = cluster.bus("what smells")
    landscape = await bus_landscape(cluster, details=True, examples=True)
    places = [
        Place(topic.name, log.topic_partition.partition, offset)
        for topic in bus.broker.topics
        if topic.name in landscape.topics and landscape.topics[topic.name].sample.records
        for log in topic.partitions
        for offset in range(
            max(log.log_start_offset, log.high_watermark - _NEWEST), log.high_watermark
        )
    ]
    flow = await bus.flows.of_records("the newest records", places[:_MOST_LOOKED_AT], 1)
    return await asyncio.to_thread(partial(smells_of, landscape, flow))


def _said(fixtures: Sequence[Path], profile: str | None, now_ms: int) -> Landscape:
    found = load_fixtures(fixtures, now_ms=now_ms, profile=profile, keep_written=True)
    return of_set(found)


async def _own_configs(cluster: Cluster, name: str) -> dict[str, str]:
    """Return the configs that were set for a topic; NotFoundError if it is not there."""
    if cluster.is_external:
        found = (await cluster.topic(name)).configs
        return {each.name: each.value or "" for each in found if each.source == "topic"}
    # To describe all configs of each of thousands of topics would take seconds.
    topic = cluster.bus("what was set").broker.topics.get(name)
    if topic is None:
        raise NotFoundError(f"there is no topic {name!r}")
    return dict(topic.config.overrides)


async def _with_examples(cluster: Cluster, facts: TopicFacts) -> TopicFacts:
    """Return a topic with what its newest records show."""
    if not facts.records:
        return facts
    request = ReadRequest(
        topics=(facts.name,),
        newest_first=True,
        limit=_SAMPLE * facts.partitions,
        max_bytes=_SAMPLE_BYTES,
        max_seconds=_SAMPLE_S,
    )
    newest = (await read_page(cluster, request)).events[::-1]
    told = partial(_examples, newest)
    is_small = sum(each.size_bytes for each in newest[-_EXAMPLES:]) < _SMALL
    return replace(
        facts,
        examples=told() if is_small else await asyncio.to_thread(told),
        sample=sampled((each.key, each.size_bytes) for each in newest),
        stamps=partial(_stamps, newest),
    )


def _stamps(events: Sequence[Event]) -> list[Stamp]:
    return [
        stamp_of(each.topic, each, each.name, each.timestamp_ms, each.schemas) for each in events
    ]


def _examples(events: Sequence[Event]) -> list[object]:
    found = []
    for each in reversed(events):
        payload = each.payload if each.size_bytes <= _SAMPLE_BYTES else None
        if payload is not None and payload.format not in ("null", "binary"):
            found.append(payload.data)
        if len(found) == _EXAMPLES:
            break
    return found[::-1]


async def subjects_of(
    schemas: Schemas, parties: Parties, topics: Collection[str] = ()
) -> dict[str, Subject]:
    """Return the subjects of a registry by name.

    Args:
        schemas: the registry.
        parties: who is said to write and read them.
        topics: those of the cluster that it serves, as far as they are known.
    """
    search = _Search(schemas)
    found = {}
    async for name in in_turns(await schemas.subjects()):
        versions = []
        try:
            for number in await schemas.versions(name):
                versions.append(await search.version(name, number))
        except NotFoundError:
            # It was deleted after the subjects were listed.
            continue
        known = declared(name, parties, topics)
        known["place"] = known["place"] or f"{name} version {versions[-1].number}"
        level = await schemas.level(name)
        found[name] = Subject(name=name, versions=versions, level=level, **known)
    return found


class _Search:
    """Search for schemas with all that they build on; each is asked for once."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._found: dict[tuple[str, int], SchemaDetails] = {}

    async def version(self, subject: str, number: int) -> Version:
        """Return a version of a subject."""
        details = await self._details(subject, number)
        resolved: dict[str, ResolvedReference] = {}
        await self._resolve(details, resolved, ())
        return Version(
            number=details.version,
            schema_id=details.schema_id,
            schema_type=details.schema_type,
            text=details.text,
            references=details.references,
            resolved=tuple(resolved.values()),
        )

    async def _details(self, subject: str, number: int) -> SchemaDetails:
        if (subject, number) not in self._found:
            self._found[subject, number] = await self._schemas.version(subject, number)
        return self._found[subject, number]

    async def _resolve(
        self, details: SchemaDetails, into: dict[str, ResolvedReference], within: tuple[str, ...]
    ) -> None:
        for name, subject, number in details.references:
            if name in into or name in within or len(into) >= _MOST_REFERENCES:
                continue
            try:
                inner = await self._details(subject, number)
            except FakebusError:
                # It is deleted by now; the schema is told to be unusable when it is looked at.
                continue
            await self._resolve(inner, into, (*within, name))
            into[name] = ResolvedReference(name=name, text=inner.text)


async def _live(cluster: Cluster, clients: Sequence[Client], days: int) -> list[LiveConsumer]:
    """Return the groups that have committed in the last days, once for each topic."""
    services: dict[str, list[str]] = {}
    reading: set[str] = set()
    for client in clients:
        reading.update(client["groups"])
        for group in client["groups"]:
            # What a client is that reads for several groups says nothing of one of them.
            if len(client["groups"]) == 1 or client["service"] == group:
                services.setdefault(group, []).append(client["service"])
    found: dict[tuple[str, str], LiveConsumer] = {}
    slices = Slices()
    for summary in await cluster.groups():
        await slices.keep()
        try:
            details = await cluster.group(summary.name)
        except NotFoundError:
            # It was deleted after the groups were listed.
            continue
        # Where fixtures, or a reset, have put a group nobody has read yet.
        if not (cluster.is_external or details.members or summary.name in reading):
            continue
        times = _commit_times(cluster, summary.name)
        members = tuple(dict.fromkeys(one.client_id for one in details.members))
        for each in details.partitions:
            await slices.keep()
            place = each.topic_partition
            at_ms = times.get(place, -1)
            if each.committed is None or (
                not cluster.is_external and at_ms < cluster.now_ms() - days * _DAY_MS
            ):
                continue
            key = summary.name, place.topic
            before = found.get(key)
            lag = (each.lag or 0) + ((before.lag or 0) if before is not None else 0)
            if before is not None and before.committed_at_ms >= at_ms:
                found[key] = replace(before, lag=lag)
                continue
            found[key] = LiveConsumer(
                group=summary.name,
                topic=place.topic,
                where=f"{place.topic}[{place.partition}]@{each.committed}",
                committed_at_ms=at_ms,
                lag=lag,
                services=tuple(dict.fromkeys(services.get(summary.name, ()))),
                client_ids=members,
            )
    return list(found.values())


def _commit_times(cluster: Cluster, group: str) -> dict[TopicPartition, int]:
    """Return when a group has committed, which only a bus tells."""
    if cluster.is_external:
        return {}
    coordinator = cluster.bus("when groups have committed").broker.group_coordinator
    return {place: row.commit_timestamp_ms for place, row in coordinator.offsets(group).items()}
