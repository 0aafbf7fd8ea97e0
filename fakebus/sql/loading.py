"""Filling of the tables that a query reads, from a cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fakebus.client.offsets import log_ranges, partitions_of
from fakebus.client.reading import Reader
from fakebus.schemas.payloads import SchemaSource
from fakebus.sql.lines import TopicLines
from fakebus.sql.queries import SqlError, TableName

if TYPE_CHECKING:
    from fakebus.broker.turns import Pace
    from fakebus.client.connection import Connection
    from fakebus.cluster.events import Event
    from fakebus.cluster.interface import Cluster

Run = Callable[..., Awaitable[Any]]
_EVENTS_AT_ONCE = 500
_BYTES_AT_ONCE = 1024 * 1024


class Tables(Protocol):
    """Engine whose tables are filled."""

    def table(self, topic: str, schemas: SchemaSource[Any] | None) -> TopicLines:
        """Return what the table of a topic is filled by."""

    def finish(self, wanted: Sequence[TableName]) -> None:
        """Make the filled tables what a query reads."""


def load(
    engine: Tables,
    wanted: Sequence[TableName],
    connection: Connection,
    schemas: SchemaSource[Any],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Load topics through the client library, as fast as it goes.

    Args:
        engine: whose tables are filled.
        wanted: the tables of the query.
        connection: the cluster.
        schemas: its registry.
        progress: told how many records are read, and of how many.

    Raises:
        NotFoundError: there is no such topic.
        ClientError: the cluster does not answer.
    """
    topics = _topics(wanted)
    ranges = log_ranges(connection, partitions_of(connection, topics))
    total, read = sum(log.end - log.start for log in ranges.values()), 0
    with Reader(connection) as reader:
        for topic in topics:
            table = engine.table(topic, schemas)
            mine = {place: log for place, log in ranges.items() if place.topic == topic}
            starts = {place: log.start for place, log in mine.items()}
            for records in reader.read(starts, {place: log.end for place, log in mine.items()}):
                for _, partition, offset, timestamp_ms, key, value, headers in records:
                    at_ms = -1 if timestamp_ms is None else timestamp_ms
                    table.add(partition, offset, at_ms, key, value, headers)
                read += len(records)
                if progress is not None:
                    progress(read, total)
    engine.finish(wanted)


async def load_gently(
    engine: Tables,
    wanted: Sequence[TableName],
    cluster: Cluster,
    most_bytes: int,
    run: Run,
    pace: Pace | None = None,
) -> int:
    """Load topics beside whatever else the event loop does, and return how many records.

    Args:
        engine: whose tables are filled.
        wanted: the tables of the query.
        cluster: where the topics are.
        run: calls a function in the engine's thread.
        most_bytes: that keys, values and headers may have together.
        pace: at which much is read without keeping others from the event loop.

    Raises:
        NotFoundError: there is no such topic.
        SqlError: the topics hold more.
    """
    found, size = 0, 0
    for topic in _topics(wanted):
        # Before the engine looks into its records, so that one that is not there is told at once.
        ranges = await cluster.ranges([topic])
        table: TopicLines | None = None
        waiting: list[Event] = []
        pending = 0
        async for events in cluster.slices(ranges, pace=pace):
            if table is None and events:
                table = await run(engine.table, topic, events[0].schemas)
            waiting += events
            more = sum(each.size_bytes for each in events)
            pending, size = pending + more, size + more
            if size > most_bytes:
                raise SqlError(
                    f"the topics hold more than {most_bytes:,} bytes, the most that a query may "
                    "read here; ask the same with the command  fakebus sql"
                )
            if len(waiting) >= _EVENTS_AT_ONCE or pending >= _BYTES_AT_ONCE:
                await run(_add, table, waiting)
                found, waiting, pending = found + len(waiting), [], 0
        await run(_add, table or await run(engine.table, topic, None), waiting)
        found += len(waiting)
    await run(engine.finish, wanted)
    return found


def _add(table: TopicLines | None, events: Iterable[Event]) -> None:
    for each in events:
        if table is not None:
            table.add(
                each.partition, each.offset, each.timestamp_ms, each.key, each.value, each.headers
            )


def _topics(wanted: Sequence[TableName]) -> list[str]:
    return list(dict.fromkeys(each.topic for each in wanted))
