"""Records of a bus as a fixture set: the files that ``fakebus fixtures record`` would write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fakebus.cluster.interface import Cluster
from fakebus.fixture_files.recording.reading import SourceSchema, SourceTopic
from fakebus.fixture_files.recording.recorder import Recorder
from fakebus.fixture_files.recording.redaction import Redaction
from fakebus.registry.errors import RegistryError
from fakebus.registry.sources import best_subject
from fakebus.schemas.framing import framed_id

_Framed = tuple[int, str, bool]
"""Id of a schema, topic, and whether a key is framed with it."""


async def source_schema(cluster: Cluster, subject: str, version: int) -> SourceSchema:
    """Return a schema of a bus with all that it builds on."""
    schema = await cluster.schemas.version(subject, version)
    registry = cluster.bus("schemas").registry
    return SourceSchema(
        schema_id=schema.schema_id,
        subject=subject,
        version=version,
        schema_type=schema.schema_type,
        text=schema.text,
        references=schema.references,
        parsed=await registry.parsed(schema.schema_id, subject=subject),
        dependencies=tuple(
            [await source_schema(cluster, of, number) for _, of, number in schema.references]
        ),
    )


async def recorded_files(cluster: Cluster, topics: Sequence[SourceTopic]) -> dict[str, str]:
    """Return the files of a set with the records of a bus, by path, without people and secrets.

    Raises:
        FakebusError: a schema cannot be read.
    """
    framed = {
        (schema_id, topic.name, is_key)
        for topic in topics
        for record in topic.records
        for is_key, data in ((True, record.key), (False, record.value))
        if (schema_id := framed_id(data)) is not None
    }
    known = await _schemas(cluster, framed)
    recorder = Recorder(lambda *asked: known.get(asked), Redaction([]))
    return await asyncio.to_thread(lambda: recorder.files(topics))


async def _schemas(cluster: Cluster, framed: set[_Framed]) -> Mapping[_Framed, SourceSchema]:
    registry, found = cluster.bus("schemas").registry, {}
    for schema_id, topic, is_key in sorted(framed):
        try:
            versions = registry.versions_of_id(schema_id)
        except RegistryError:
            continue  # it only looks framed
        best = best_subject(versions, topic, is_key)
        if best is not None:
            found[schema_id, topic, is_key] = await source_schema(cluster, *best)
    return found
