"""From what the files of a set say to the parts of a :class:`FixtureSet`."""

from __future__ import annotations

import hashlib
import json

from fakebus.broker.configs.topic_config import PRODUCERS
from fakebus.fixture_files.model import (
    FixtureGroup,
    FixtureOffset,
    FixtureReader,
    FixtureSchema,
    FixtureTopic,
)
from fakebus.fixture_files.structure.event_models import Format as FormatSpec
from fakebus.fixture_files.structure.event_models import Load
from fakebus.fixture_files.structure.models import DEFAULT_TOPIC_CONFIG, Group, Topic
from fakebus.fixture_files.structure.schema_set import SchemaSet, SetSchema
from fakebus.fixture_files.structure.set_reader import SetSpec


def fixture_topic(spec: SetSpec, topic: Topic) -> FixtureTopic:
    """Return a topic with what the set adds to it."""
    return FixtureTopic(
        name=topic.name,
        position=topic.position,
        partitions=topic.partitions,
        config={**DEFAULT_TOPIC_CONFIG, **topic.config, **_ownership(topic)},
        partitioner=topic.partitioner or spec.root.partitioner,
        owner=topic.owner,
        consumers=topic.consumers,
        producers=topic.producers,
        description=topic.description,
        subjects=tuple(_subjects(topic)),
        formats=(_named(topic.key_format), _named(topic.value_format)),
        keeps_by_default="retention.ms" not in topic.config,
        contract=topic.contract.of_topic,
        key_field=topic.key_field,
        headers=topic.headers.pairs,
    )


def _ownership(topic: Topic) -> dict[str, str]:
    return {PRODUCERS: ",".join(topic.writers)} if topic.only_owner else {}


def _named(format_: FormatSpec) -> str:
    return format_.subject or format_.name or ""


def _subjects(topic: Topic) -> list[str]:
    formats = [topic.key_format, topic.value_format]
    for load in topic.loads:
        formats += [one for one in (load.key_format, load.value_format) if one is not None]
    return list(dict.fromkeys(one.subject for one in formats if one.subject is not None))


def fixture_group(group: Group) -> FixtureGroup:
    """Return a group."""
    return FixtureGroup(
        group=group.group,
        position=group.position,
        offsets=tuple(
            FixtureOffset(topic=offset.topic, partition=offset.partition, start=offset.start)
            for offset in group.offsets
        ),
    )


def fixture_schema(schema: SetSchema) -> FixtureSchema:
    """Return a schema with the level of the set."""
    written = schema.spec
    return FixtureSchema(
        subject=written.subject,
        version=schema.version,
        schema_type=written.schema_type,
        text=written.schema.text,
        references=tuple(
            (reference.name, reference.subject, version) for reference, version in schema.references
        ),
        compatibility=schema.compatibility,
        pinned_id=written.pinned_id,
        schema_id=schema.schema_id,
        display_file=written.schema.display,
        position=written.position,
        owner=written.owner,
        consumers=written.consumers,
        readers=tuple(
            FixtureReader(service=service, text=reader.text, display_file=reader.display)
            for service, reader in written.readers.items()
        ),
    )


def settings_digest(spec: SetSpec, topic: Topic, load: Load | None, schemas: SchemaSet) -> str:
    """Return a hash of everything outside the lines of a file that decides on its records."""
    key_format = (load and load.key_format) or topic.key_format
    value_format = (load and load.value_format) or topic.value_format
    decisive = [
        spec.root.seed,
        spec.root.clock.anchor,
        str(spec.root.clock.zone),
        topic.partitioner or spec.root.partitioner,
        *_decisive(key_format, schemas),
        *_decisive(value_format, schemas),
        topic.headers.pairs,
    ]
    if load is not None and load.headers.pairs:
        decisive.append(load.headers.pairs)
    key_field = (load and load.key_field) or topic.key_field
    if key_field is not None:
        decisive.append(f"key.field={key_field}")
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _decisive(format_: FormatSpec, schemas: SchemaSet) -> list[object]:
    if format_.subject is None:
        return [format_.name]
    texts = [schema.schema.canonical for schema in schemas.versions(format_.subject)]
    return [format_.subject, format_.version, texts]
