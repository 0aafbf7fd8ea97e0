"""Events that people or programs have written, as records to produce."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from fakebus.cluster.events import Event
from fakebus.cluster.interface import Cluster, ClusterError
from fakebus.fixture_files.encoding.unwrapping import unwrap
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.formats.wrappers import WrittenFormat
from fakebus.fixture_files.functions import FunctionContext, expand, has_calls
from fakebus.fixture_files.headers import parse_headers
from fakebus.fixture_files.problems import DataError
from fakebus.records.record import NewRecord

_FIELDS = frozenset({"topic", "partition", "offset", "at", "key", "value", "headers"})
"""Those of an event of a fixture file; where and when it was written is passed over."""


async def produce_event(cluster: Cluster, event: Mapping[str, Any]) -> Event:
    """Write an event as ``fakebus tail --json`` prints it, and return it as it was stored.

    Raises:
        ClusterError: it is no event, or the cluster refuses it.
    """
    return await cluster.produce(*await record_of_event(cluster, event))


async def record_of_event(
    cluster: Cluster, event: Mapping[str, Any]
) -> tuple[str, int | None, NewRecord]:
    """Return the topic, the partition and the record of an event, to be written.

    Args:
        cluster: has the schemas.
        event: its topic, and what it has of key, value, headers and partition. A key is text and a
            value JSON, unless they say their type or subject; functions are called, and names that
            begin with ``$$`` begin with one ``$``, as in fixture files.

    Raises:
        ClusterError: it is no event.
    """
    unknown = sorted(event.keys() - _FIELDS)
    if unknown:
        raise ClusterError(
            f"an event has no field {unknown[0]!r}; it has {', '.join(sorted(_FIELDS))}"
        )
    topic, partition = event.get("topic"), event.get("partition")
    if not isinstance(topic, str):
        raise ClusterError('"topic" has to name the topic')
    if partition is not None and type(partition) is not int:
        raise ClusterError('"partition" has to be a whole number')
    context = FunctionContext(
        seed=0, anchor_ms=cluster.now_ms(), zone=UTC, event_ms=cluster.now_ms()
    )
    try:
        headers = parse_headers(event.get("headers")).encode(context)
        written = [event.get(name) for name in ("key", "value")]
        plain = [expand(each, context) if has_calls(each) else each for each in written]
        key = await payload_bytes(cluster, plain[0], FORMATS["string"])
        value = await payload_bytes(cluster, plain[1], FORMATS["json"])
    except DataError as error:
        raise ClusterError(f"{error}; {error.hint}") from None
    return topic, partition, NewRecord(key, value, headers)


async def payload_bytes(cluster: Cluster, written: object, plain: Format) -> bytes | None:
    """Return a key or value as an event has it, plainly or with its type or its subject.

    Args:
        cluster: has the schemas.
        written: what the event has.
        plain: the format of plain data.

    Raises:
        DataError: there is no such format, or it cannot hold the data.
        ClusterError: there is no such subject, or the data does not fit its schema.
    """
    named: list[WrittenFormat] = []

    def of_subject(written: WrittenFormat) -> Format:
        named.append(written)
        return plain

    format_, data = unwrap(written, plain, of_subject)
    if named:
        return await cluster.schemas.encode(
            named[0].subject or "", data, named[0].version or "latest"
        )
    return None if data is None or format_ is None else format_.encode(data)
