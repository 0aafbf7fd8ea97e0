"""The tools: what an agent can ask of a bus, and what it can do to it.

A tool is a method here and a line in ``READING`` or ``CHANGING``. Its docstring is what the agent
is told, its parameters' descriptions too; what it returns goes through
:func:`fakebus.mcp.answers.answer`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from fakebus.client.positions import parse_position
from fakebus.cluster.browsing import Reading, ReadRequest
from fakebus.cluster.events import Event, encode, header_pairs
from fakebus.cluster.filters import EventFields, event_filter
from fakebus.cluster.group_offsets import preview_reset, waiting_since
from fakebus.cluster.interface import NotFoundError
from fakebus.mcp.places import Places
from fakebus.real_time import monotonic
from fakebus.records.record import NewRecord

_LONGEST_NAME = 1000
"""Letters; client libraries fail over some names that are longer, and lose their connection."""
Name = Annotated[str, Field(max_length=_LONGEST_NAME)]
Topic = Annotated[str, Field(description="Name of a topic", max_length=249)]
Version = Annotated[int | None, Field(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Field(description="Events at most", ge=1, le=200)]
Filter = Annotated[
    str | None,
    Field(
        description="Only events for which this holds: fields (key, value.user.id, "
        "headers.ce_type, partition, offset, at), texts in quotes, numbers; = != < <= > >= "
        "contains; and, or, not. Example: value.total > 100 and key contains 'eu-'"
    ),
]
More = Annotated[
    str | None,
    Field(description="Go on with what an earlier answer called more; the rest does not count"),
]
Directory = Annotated[
    str,
    Field(description="Fixture set: a path below the directory of the server", max_length=4000),
]
_SEARCH_S = 20.0
"""How long one call searches before it says how far it has come."""
_MOST_READINGS = 16

Found = Mapping[str, Any]


class Readings:
    """Readings that can be gone on with: the newest few of a server."""

    def __init__(self) -> None:
        self._kept: dict[str, Reading] = {}
        self._number = itertools.count(1)

    def keep(self, reading: Reading) -> str:
        """Return the name that a reading is gone on by."""
        name = f"more-{next(self._number)}"
        self._kept[name] = reading
        while len(self._kept) > _MOST_READINGS:
            del self._kept[next(iter(self._kept))]
        return name

    def get(self, name: str | None, new: Reading) -> Reading:
        """Return the reading of a name, or a new one for none.

        Raises:
            NotFoundError: it has been gone on with, or is forgotten.
        """
        if name is None:
            return new
        found = self._kept.pop(name, None)
        if found is None:
            raise NotFoundError(f"there is nothing more by {name!r}: begin again, without more")
        return found


class Tools:
    """Tools that look at the same places.

    Args:
        places: what they look at.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._readings = Readings()

    async def list_topics(
        self,
        pattern: Annotated[str, Field(description="Which, with * and ?; all but internal")] = "*",
    ) -> Found:
        """List topics with their numbers of partitions and records."""
        cluster = await self._places.cluster()
        topics = [
            {key: value for key, value in asdict(topic).items() if key != "is_internal"}
            for topic in await cluster.topics()
            if fnmatchcase(topic.name, pattern) and (not topic.is_internal or pattern == topic.name)
        ]
        return {"topics": topics}

    async def show_topic(self, topic: Topic) -> Found:
        """Show a topic: its partitions, where they begin and end, and configs that are set."""
        found = await (await self._places.cluster()).topic(topic)
        return {
            "topic": found.name,
            "partitions": [asdict(each) for each in found.partitions],
            "configs": {each.name: each.value for each in found.configs if not each.is_default},
        }

    async def read_events(
        self,
        topic: Topic,
        start: Annotated[
            str | None,
            Field(
                description="Where to begin: earliest, latest, an offset, -10 (the last ten of "
                "each partition), a time (2024-05-01T09:00:00Z) or how long ago (-5m)"
            ),
        ] = None,
        newest_first: bool = True,
        partition: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None,
        filter: Filter = None,
        limit: Limit = 20,
        more: More = None,
    ) -> Found:
        """Read events of a topic, decoded with their schemas; the newest first unless told else."""
        cluster = await self._places.cluster()
        request = ReadRequest(
            topics=(topic,),
            partitions=None if partition is None else frozenset({partition}),
            start=None if start is None else parse_position(start, cluster.now_ms()),
            newest_first=newest_first,
            matches=None if filter is None else event_filter(filter),
            limit=limit,
        )
        return await self._read(self._readings.get(more, Reading(cluster, request)))

    async def search_events(
        self,
        text: Annotated[str, Field(description="Text in key, value or headers; may be empty")] = "",
        filter: Filter = None,
        topics: Annotated[
            list[str] | None, Field(description="Topics, with * and ?; all but internal ones")
        ] = None,
        limit: Limit = 20,
        more: More = None,
    ) -> Found:
        """Search events of topics, the newest first, for a text or by a filter.

        One call looks at events for some 20 seconds at most. It says how many are left, and what
        to pass as more to go on.
        """
        cluster = await self._places.cluster()
        names = [
            topic.name
            for topic in await cluster.topics()
            if not topic.is_internal
            and any(fnmatchcase(topic.name, each) for each in topics or "*")
        ]
        wanted = None if filter is None else event_filter(filter)
        request = ReadRequest(
            topics=tuple(names),
            newest_first=True,
            matches=lambda event: _mentions(event, text) and (wanted is None or wanted(event)),
            limit=limit,
        )
        return await self._read(self._readings.get(more, Reading(cluster, request)))

    async def _read(self, reading: Reading) -> Found:
        """Return what a reading gives until there is enough, and how it is gone on with."""
        events: list[dict[str, Any]] = []
        scanned, until = 0, monotonic() + _SEARCH_S
        while True:
            page = await reading.page()
            events += [{"record": event.name, **EventFields(event)} for event in page.events]
            scanned += page.scanned
            if not page.left or events or monotonic() > until:
                break
        more = self._readings.keep(reading) if page.left else None
        return {"scanned": scanned, "left": page.left, "more": more, "events": events}

    async def list_groups(self) -> Found:
        """List consumer groups with state, members, topics and lag."""
        groups = await (await self._places.cluster()).groups()
        return {"groups": [asdict(group) for group in groups]}

    async def show_group(self, group: Name) -> Found:
        """Show a consumer group: members, assignment, committed offsets, lag in records and ms."""
        cluster = await self._places.cluster()
        found = await cluster.group(group)
        since = await waiting_since(cluster, found)
        return {
            "group": found.name,
            "state": found.state,
            "members": [asdict(member) for member in found.members],
            "partitions": [
                {
                    "topic": each.topic_partition.topic,
                    "partition": each.topic_partition.partition,
                    "committed": each.committed,
                    "end": None if each.log is None else each.log.end,
                    "lag": each.lag,
                    "lag_ms": cluster.now_ms() - since[each.topic_partition]
                    if each.topic_partition in since
                    else None,
                    "client_id": None if each.member is None else each.member.client_id,
                }
                for each in found.partitions
            ],
        }

    async def why_is_group_stuck(self, group: Name) -> Found:
        """Say why a consumer group does not get on: causes, likeliest first, with remedies."""
        found: Found = await self._places.get(f"/why/{quote(group, safe='')}")
        return found

    async def follow_flow(
        self,
        record: Annotated[
            str | None, Field(description="A record: orders[0]@12", max_length=_LONGEST_NAME)
        ] = None,
        find: Annotated[
            str | None,
            Field(
                description="Instead: a ce_id, trace id, key or words of a value",
                max_length=_LONGEST_NAME,
            ),
        ] = None,
        depth: Annotated[int | None, Field(description="How many steps; all when left out")] = None,
        as_of: Annotated[
            str | None,
            Field(description="How it was then: 2026-05-01T09:00Z or -5m", max_length=50),
        ] = None,
    ) -> Found:
        """Follow an event through the system: what caused it, what it caused, who handled it."""
        found: Found = await self._places.get(
            "/flow", record=record, find=find, depth=depth, as_of=as_of
        )
        return found

    async def list_clients(self) -> Found:
        """List the clients of the bus: services, what they produce and consume, processes."""
        return {"clients": await self._places.get("/clients")}

    async def list_schemas(self) -> Found:
        """List the subjects of the schema registry."""
        return {"subjects": await (await self._places.cluster()).schemas.subjects()}

    async def show_schema(self, subject: Name, version: Version = None) -> Found:
        """Show a version of a subject, the latest when left out, and its compatibility level."""
        schemas = (await self._places.cluster()).schemas
        found = await schemas.version(subject, "latest" if version is None else version)
        versions, level = await schemas.versions(subject), await schemas.level(subject)
        return {**asdict(found), "versions": versions, "compatibility": level}

    async def impact_of_change(
        self,
        subject: Name,
        schema: Annotated[
            str | dict[str, Any] | None, Field(description="The schema it would get")
        ] = None,
        schema_type: Annotated[str, Field(description="AVRO, JSON or PROTOBUF")] = "AVRO",
        remove_field: Annotated[
            str | None, Field(description="Instead: a field it would lose, as address.street")
        ] = None,
        remove: Annotated[bool, Field(description="Instead: it would go")] = False,
    ) -> Found:
        """Say whom a change of a schema would break: readers, consumers, fixtures, the level."""
        change = {
            "subject": subject,
            # Clients of the protocol may have read what looks like JSON.
            "schema": json.dumps(schema) if isinstance(schema, dict) else schema,
            "schemaType": schema_type,
            "removeField": remove_field,
            "remove": remove,
        }
        found: Found = await self._places.tell("POST", "/impact", change)
        return found

    async def check_fixtures(self, directory: Directory = "fixtures") -> Found:
        """Check a fixture set: every mistake, with file, line and how to mend it."""
        from fakebus.fixture_files.loader import check_fixtures

        path = self._places.directory(directory)
        problems = await asyncio.to_thread(check_fixtures, path)
        return {"problems": [asdict(problem) for problem in problems]}

    async def generate_events(
        self,
        topic: Topic,
        directory: Directory = "fixtures",
        count: Annotated[int, Field(ge=1, le=200)] = 5,
    ) -> Found:
        """Make events of a topic from its schema, as lines for an events file of a fixture set."""
        from fakebus.fixture_files.loader import generate_lines
        from fakebus.real_time import now_ms

        path = self._places.directory(directory)
        lines = await asyncio.to_thread(generate_lines, path, topic, now_ms=now_ms(), count=count)
        return {"lines": lines}

    async def list_snapshots(self) -> Found:
        """List the snapshots of the bus."""
        return {"snapshots": await self._places.get("/snapshots")}

    async def create_topic(
        self,
        topic: Topic,
        partitions: Annotated[int | None, Field(ge=1, le=10_000)] = None,
        configs: Annotated[dict[str, str] | None, Field(description="By Kafka's names")] = None,
    ) -> Found:
        """Create a topic."""
        await (await self._places.cluster()).create_topic(topic, partitions, configs)
        return {"topic": topic}

    async def produce_event(
        self,
        topic: Topic,
        value: Annotated[Any, Field(description="A text, or any JSON; null is a tombstone")],
        key: Annotated[Any, Field(description="A text, or any JSON")] = None,
        headers: dict[str, str] | None = None,
        subject: Annotated[
            str | None,
            Field(description="Check and write the value with this subject's latest schema"),
        ] = None,
        partition: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None,
    ) -> Found:
        """Write an event to a topic."""
        cluster = await self._places.cluster()
        data = encode(value) if subject is None else await cluster.schemas.encode(subject, value)
        record = NewRecord(encode(key), data, header_pairs(headers))
        return {"record": (await cluster.produce(topic, partition, record)).name}

    async def seed_fixtures(
        self,
        directory: Directory = "fixtures",
        reset: Annotated[bool, Field(description="Delete topics whose events changed")] = False,
    ) -> Found:
        """Write a fixture set to the bus; what is there already is not written again."""
        done = await self._places.seed(self._places.directory(directory), reset=reset)
        return asdict(done)

    async def reset_group(
        self,
        group: Name,
        topic: Topic,
        to: Annotated[str, Field(description="earliest, latest, an offset, a time or -5m")],
        preview: Annotated[bool, Field(description="Only say what would be committed")] = True,
    ) -> Found:
        """Let a consumer group without running members go on from another place in a topic."""
        cluster = await self._places.cluster()
        position = parse_position(to, cluster.now_ms())
        moves = await preview_reset(
            cluster, group, dict.fromkeys(await cluster.ranges([topic]), position)
        )
        if not preview:
            await cluster.set_offsets(group, {each.topic_partition: each.after for each in moves})
        return {
            "committed": not preview,
            "moves": [
                {"partition": str(each.topic_partition), "from": each.before, "to": each.after}
                for each in moves
            ],
        }

    async def save_snapshot(self, name: Name) -> Found:
        """Remember everything on the bus under a name, in the place of an older snapshot."""
        found: Found = await self._places.tell("PUT", f"/snapshots/{quote(name, safe='')}")
        return found

    async def restore_snapshot(self, name: Name) -> Found:
        """Take the whole bus back to a snapshot; what was written since is gone."""
        path = f"/snapshots/{quote(name, safe='')}/restore"
        found: Found = await self._places.tell("POST", path)
        return found


def _mentions(event: Event, text: str) -> bool:
    """Whether a text stands in what is written, or in what that is decoded to."""
    data = text.encode()
    parts = (event.key, event.value, *(part for _, part in event.headers))
    if any(part is not None and data in part for part in parts):
        return True
    return any(
        found.schema is not None and text in str(found.data)
        for found in (event.payload, event.key_payload)
    )


READING = (
    Tools.list_topics,
    Tools.show_topic,
    Tools.read_events,
    Tools.search_events,
    Tools.follow_flow,
    Tools.list_clients,
    Tools.list_groups,
    Tools.show_group,
    Tools.why_is_group_stuck,
    Tools.list_schemas,
    Tools.show_schema,
    Tools.impact_of_change,
    Tools.check_fixtures,
    Tools.generate_events,
    Tools.list_snapshots,
)
"""The tools that look only."""
CHANGING = (
    Tools.create_topic,
    Tools.produce_event,
    Tools.seed_fixtures,
    Tools.reset_group,
    Tools.save_snapshot,
    Tools.restore_snapshot,
)
"""The tools that change something, which only ``--allow-writes`` allows."""
