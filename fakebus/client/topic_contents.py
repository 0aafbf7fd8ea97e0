"""Whole topics of any Kafka, as recording, comparing and drift take them."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.client.connection import Connection
from fakebus.client.offsets import log_ranges, offsets_at, partitions_of
from fakebus.client.reading import Reader
from fakebus.client.topics import own_configs
from fakebus.fixture_files.recording.reading import SourceRecord, SourceTopic


def read_topics(
    connection: Connection, names: Sequence[str], since_ms: int | None = None
) -> list[SourceTopic]:
    """Return topics with all their records, up to where they ended at the beginning.

    Args:
        connection: the cluster.
        names: the topics.
        since_ms: leave out what is older, in milliseconds since the epoch.

    Raises:
        ClientError: the cluster does not answer.
    """
    if not names:
        return []
    partitions = partitions_of(connection, names)
    ranges = log_ranges(connection, partitions)
    starts = {partition: log.start for partition, log in ranges.items()}
    if since_ms is not None:
        found = offsets_at(connection, dict.fromkeys(partitions, since_ms))
        starts = {each: at if at >= 0 else ranges[each].end for each, at in found.items()}
    records: dict[str, list[SourceRecord]] = {name: [] for name in names}
    with Reader(connection) as reader:
        for fetched in reader.read(starts):
            for topic, partition, offset, timestamp_ms, key, value, headers in fetched:
                records[topic].append(
                    SourceRecord(partition, offset, timestamp_ms or 0, key, value, headers)
                )
    configs = own_configs(connection, names)
    return [
        SourceTopic(
            name=name,
            partitions=connection.partition_count(name),
            config=configs[name],
            records=records[name],
        )
        for name in names
    ]
