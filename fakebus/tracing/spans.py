"""Spans of records, named and described as OpenTelemetry's messaging conventions say.

The ids of a span follow from what it is about, so that a child names its parent whether or not that
was sent already, by this process or by one before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from fakebus.broker.activity import Activity
from fakebus.lineage.header_rules import IdentityReader, parse_traceparent
from fakebus.lineage.place import Place
from fakebus.records.record import Record

OPERATIONS: Mapping[str, tuple[str, str]] = {
    "send": ("send", "PRODUCER"),
    "poll": ("receive", "CLIENT"),
    "process": ("process", "CONSUMER"),
    "commit": ("settle", "CLIENT"),
}
"""The type of each operation, and the kind of its spans."""
CONVENTIONS = "https://opentelemetry.io/schemas/1.45.0"
"""The version by which attributes are named."""
CLUSTER_ID = "kafka.cluster.id"
"""The attribute that is the same of all spans of a bus."""
_MOST_LETTERS = 256
_LONGEST_LINGER_MS = 60_000


class Context(NamedTuple):
    """Context of a span, as its children know it."""

    trace_id: int
    span_id: int
    """0 where only the trace is known."""
    is_sampled: bool | None = True
    """``None`` where nobody has decided: it follows from the trace's id."""


class Span(NamedTuple):
    """Span that is over."""

    operation: str
    topic: str
    service: str
    context: Context
    parent: Context
    """Without a ``span_id`` for the first of a trace."""
    start_ms: int
    end_ms: int
    attributes: Mapping[str, str | int | bool]
    links: Sequence[Context] = ()


def context_in(record: Record, reader: IdentityReader, topic: str) -> Context | None:
    """Return the context that a record's headers carry, ``None`` if there is none."""
    for name, value in record.headers:
        if name.lower() == "traceparent" and (found := parse_traceparent(value or b"")):
            return Context(*found)
    for identity in reader.read(topic, record):
        if identity.kind == "trace":
            return Context(int(identity.value, 16), 0, None)
    return None


def root_context(topic_id: bytes, place: Place, record: Record) -> Context:
    """Return the context of a record that belongs to no trace: one of its own."""
    where = b"%s %d %d %d" % (topic_id, *place[1:], record.timestamp)
    return Context(int.from_bytes(blake2b(where, digest_size=16).digest()), 0, None)


def child_of(context: Context, *what: object) -> Context:
    """Return the context of a span in the same trace."""
    told = repr((context.trace_id, *what)).encode("utf-8", "backslashreplace")
    span_id = int.from_bytes(blake2b(told, digest_size=8).digest())
    return context._replace(span_id=span_id or 1)


def attributes_of(
    operation: str, activity: Activity, offset: int, record: Record | None = None, group: str = ""
) -> dict[str, str | int | bool]:
    """Return what a span says of a record and of the client.

    Args:
        operation: one of ``OPERATIONS``.
        activity: what the client did.
        offset: the record's.
        record: the record, where more is told of it.
        group: the consumer group.
    """
    origin, peer = activity.origin, activity.origin.peer
    found: dict[str, str | int | bool] = {
        "messaging.system.name": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": OPERATIONS[operation][0],
        "messaging.destination.name": activity.topic,
        "messaging.destination.partition.id": str(activity.partition),
        "kafka.offset": offset,
    }
    if origin.client_id:
        found["messaging.client.id"] = origin.client_id[:_MOST_LETTERS]
    if group:
        found["messaging.consumer.group.name"] = group[:_MOST_LETTERS]
    if peer is not None and peer.local_host:
        found |= {"server.address": peer.local_host, "server.port": peer.local_port}
    if record is not None and record.key is not None:
        key = bytes(record.key[:_MOST_LETTERS])
        # A key of other bytes has no form as text that everybody would agree on.
        if key.isascii() and key.decode().isprintable():
            found["kafka.message.key"] = key.decode()
    if record is not None and record.value is None:
        found["kafka.message.tombstone"] = True
    return found


def sent_since(record: Record, at_ms: int) -> int:
    """Return when a record was handed to its producer, as far as its time tells that."""
    return record.timestamp if 0 <= at_ms - record.timestamp <= _LONGEST_LINGER_MS else at_ms
