"""The records themselves: whether their keys and values are what the registry says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from fakebus.cli.diagnosis.finding import Finding, fine, note, problem
from fakebus.client.connection import Connection
from fakebus.client.offsets import log_ranges, partitions_of
from fakebus.client.reading import FetchedRecord, Reader
from fakebus.schemas.framing import framed_id, framings_of
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient

_NEWEST = 100
"""How many records of each partition are looked at."""
_MOST_PARTITIONS = 20


def check_data(
    connection: Connection, topic: str, registry: RegistryClient | None
) -> Iterator[Finding]:
    """Yield what is to be said of the newest records of a topic.

    Args:
        connection: a cluster that can be reached.
        topic: a topic that is there.
        registry: where the schemas are; without it only framing is looked at.

    Raises:
        ClientError: the cluster does not answer.
        RegistryClientError: the registry does not answer.
    """
    records = _newest(connection, topic)
    # Serializers may leave the framing to headers.
    id_of_guid = _no_id if registry is None else registry.id_of_guid
    framings = [framings_of(each.headers, id_of_guid) for each in records]
    for part, at in (("key", 1), ("value", 0)):
        found = [
            framing[at] + data
            for each, framing in zip(records, framings, strict=True)
            if (data := getattr(each, part)) is not None
        ]
        if registry is not None:
            yield from _check_part(topic, part, found, registry)
        elif any(framed_id(each) is not None for each in found):
            yield note(
                f"topic {topic} has {part}s that begin like data with a schema, but no registry "
                "is known",
                "name it with --registry URL",
            )


def _no_id(guid: str) -> None:
    """Return nothing: there is no registry."""


def _newest(connection: Connection, topic: str) -> list[FetchedRecord]:
    ranges = log_ranges(connection, partitions_of(connection, [topic])[:_MOST_PARTITIONS])
    starts = {each: max(log.start, log.end - _NEWEST) for each, log in ranges.items()}
    with Reader(connection) as reader:
        return [record for records in reader.read(starts) for record in records]


def _check_part(
    topic: str, part: str, found: list[bytes], registry: RegistryClient
) -> Iterator[Finding]:
    ids = Counter(schema_id for each in found if (schema_id := framed_id(each)) is not None)
    bare, subject = len(found) - sum(ids.values()), f"{topic}-{part}"
    has_schema = bool(registry.versions(subject))
    if bare and (has_schema or ids):
        why = f"the subject {subject} has a schema" if has_schema else "others are"
        yield problem(
            f"topic {topic}: {bare} of the newest {counted(len(found), part)} are not framed, "
            f"although {why}: consumers with a deserializer fail on them",
            f"let the producer use a serializer for {part}s: AvroSerializer, JSONSerializer, "
            "ProtobufSerializer",
            f"from the command line:  fakebus produce {topic} --{part}-schema {quote(subject)}",
        )
    unknown = [each for each in ids if registry.schema(each, topic, part == "key") is None]
    for schema_id in sorted(unknown):
        yield problem(
            f"topic {topic}: {ids[schema_id]} of the newest {counted(len(found), part)} begin with "
            f"schema id {schema_id}, which the registry at {registry.url} does not know",
            "ids hold only in the registry that gave them: was the registry made anew, or the "
            "record copied? Copy with  fakebus tail --json  and  fakebus produce",
            "or the producer is told another registry: compare its schema.registry.url",
        )
    if ids and not bare and not unknown:
        yield _fit(topic, part, found, registry)


def _fit(topic: str, part: str, found: list[bytes], registry: RegistryClient) -> Finding:
    # The languages of schemas take long to import.
    from fakebus.schemas.payloads import decode

    decoded = [decode(each, registry.schema, topic=topic, is_key=part == "key") for each in found]
    wrong = [each for each in decoded if each.problem is not None]
    if not wrong:
        return fine(f"topic {topic}: the newest {counted(len(found), part)} fit their schemas")
    return problem(
        f"topic {topic}: {len(wrong)} of the newest {counted(len(found), part)} do not fit the "
        f"schema that they name, as with id {wrong[0].schema_id}: {wrong[0].problem}",
        "they were written with another schema than the one behind the id: does the producer "
        "register what it writes with?",
    )
