"""Metrics of the bus, under the names that dashboards for Kafka know.

They are those of kafka_exporter and of the JMX exporter, and a few of our own. All are read when
they are asked for; only requests and bytes are counted as they pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fakebus import __version__
from fakebus.broker.nodes import NOBODY
from fakebus.broker.turns import in_turns
from fakebus.protocol.api_keys import ApiKey
from fakebus.servers import Bus

_PLACE = ("topic", "partition")
_Rows = list[tuple[tuple[str, ...], float]]


class _Family(NamedTuple):
    """Family of metrics of one name."""

    kind: type[GaugeMetricFamily | CounterMetricFamily]
    name: str
    help_text: str
    labels: tuple[str, ...]
    rows: _Rows


async def exposition(bus: Bus, http: Mapping[tuple[str, str, int], int]) -> bytes:
    """Return all metrics in Prometheus's text format.

    Args:
        bus: which they are of.
        http: how many requests by HTTP there were, by method, route and status.
    """
    found = _Metrics(bus)
    topics = await found.topics()
    groups = await found.groups()
    families = [*topics, *groups, *await found.traffic(), *found.own(http)]
    # The text of thousands of partitions takes its time, which clients need not wait for.
    return await asyncio.to_thread(partial(_text, families))


def _text(families: Sequence[_Family]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Collector(families))
    return generate_latest(registry)


class _Collector(Collector):
    """Collector of families that were read before."""

    def __init__(self, families: Sequence[_Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        for each in self._families:
            family = each.kind(each.name, each.help_text, labels=each.labels)
            for values, value in each.rows:
                family.add_metric(values, value)
            yield family


class _Metrics:
    """Metrics of one moment."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._broker = bus.broker

    async def topics(self) -> list[_Family]:
        """Return those of topics and brokers."""
        nodes, topics = self._broker.nodes, list(self._broker.topics)
        rows: dict[str, _Rows] = {name: [] for name in _PARTITION_METRICS}
        sizes: _Rows = []
        async for topic, log in in_turns((each, log) for each in topics for log in each.partitions):
            replicas = nodes.replicas(topic, log.topic_partition.partition)
            in_sync, leader = nodes.in_sync(log, replicas), nodes.leader(log)
            values = (
                log.high_watermark,
                log.log_start_offset,
                len(in_sync),
                leader,
                leader == replicas[0],
                len(replicas),
                len(in_sync) < len(replicas),
                log.log_end_offset,
                log.log_start_offset,
            )
            place = topic.name, str(log.topic_partition.partition)
            for name, value in zip(_PARTITION_METRICS, values, strict=True):
                rows[name].append((place, value))
            sizes.append((place, await log.size_bytes()))
        counts: _Rows = [((topic.name,), len(topic.partitions)) for topic in topics]
        running = sum(nodes.is_running(node_id) for node_id in nodes.ids)
        brokers: _Rows = [
            ((str(node), nodes.addresses.get(node, "").rpartition("://")[2]), 1)
            for node in nodes.ids
            if nodes.is_running(node)
        ]
        leaders = [leader for _, leader in rows["kafka_topic_partition_leader"]]
        partitions, offline = len(leaders), leaders.count(NOBODY)
        lagging = sum(each for _, each in rows["kafka_topic_partition_under_replicated_partition"])
        controller, manager = "kafka_controller_kafkacontroller", "kafka_server_replicamanager"
        active = nodes.is_running(nodes.controller)
        totals = (
            (f"{controller}_activecontrollercount", "Controllers", active),
            (f"{controller}_globaltopiccount", "Topics", len(topics)),
            (f"{controller}_globalpartitioncount", "Partitions of all topics", partitions),
            (f"{controller}_offlinepartitionscount", "Partitions that nobody leads", offline),
            (f"{manager}_partitioncount", "Partitions of all topics", partitions),
            (f"{manager}_leadercount", "Partitions that are led", partitions - offline),
            (f"{manager}_underreplicatedpartitions", "With replicas not in sync", lagging),
        )
        return [
            _gauge("kafka_topic_partitions", "Partitions of a topic", ("topic",), counts),
            *(_gauge(name, told, _PLACE, rows[name]) for name, told in _PARTITION_METRICS.items()),
            _gauge("kafka_log_log_size", "Bytes of a log", _PLACE, sizes),
            _gauge("kafka_brokers", "Brokers that run", (), [((), running)]),
            _gauge("kafka_broker_info", "Brokers and their addresses", ("id", "address"), brokers),
            *(_gauge(name, told, (), [((), value)]) for name, told, value in totals),
        ]

    async def groups(self) -> list[_Family]:
        """Return those of groups."""
        coordinator, logs = self._broker.group_coordinator, self._broker.topics.logs
        offsets: _Rows = []
        lags: _Rows = []
        sums: dict[tuple[str, str], list[int]] = {}
        groups = coordinator.list_groups()
        committed = (
            (group.group_id, place, row)
            for group in groups
            for place, row in coordinator.offsets(group.group_id).items()
        )
        async for group_id, place, row in in_turns(committed):
            log = logs.get(place)
            lag = 0 if log is None else max(log.high_watermark - row.offset, 0)
            labels = (group_id, place.topic, str(place.partition))
            offsets.append((labels, row.offset))
            lags.append((labels, lag))
            total = sums.setdefault((group_id, place.topic), [0, 0])
            total[0] += row.offset
            total[1] += lag
        members: _Rows = [((group.group_id,), len(group.members)) for group in groups]
        names, prefix = ("consumergroup", *_PLACE), "kafka_consumergroup"
        told = "Offset that a group has committed"
        sums_of = (("current_offset_sum", "Offsets, summed"), ("lag_sum", "Lag, summed"))
        summed: tuple[_Rows, ...] = ([], [])
        async for labels_of_sum, both in in_turns(sums.items()):
            for own_rows, total_of in zip(summed, both, strict=True):
                own_rows.append((labels_of_sum, total_of))
        return [
            _gauge(f"{prefix}_current_offset", told, names, offsets),
            _gauge(f"{prefix}_lag", "Records behind what a group has committed", names, lags),
            *(
                _gauge(f"{prefix}_{name}", f"{words} over a topic", names[:2], rows)
                for (name, words), rows in zip(sums_of, summed, strict=True)
            ),
            _gauge(f"{prefix}_members", "Members of a group", names[:1], members),
        ]

    async def traffic(self) -> list[_Family]:
        """Return those of what clients wrote, fetched and asked."""
        prefix = "kafka_server_brokertopicmetrics"
        told = (
            ("messagesin", "Records written"),
            ("bytesin", "Bytes written since the start"),
            ("bytesout", "Bytes fetched since the start"),
        )
        rows: tuple[_Rows, ...] = tuple([] for _ in told)
        async for topic in in_turns(self._broker.topics):
            logs = topic.partitions
            sums = (
                sum(log.log_end_offset for log in logs),
                sum(log.bytes_in for log in logs),
                sum(log.bytes_out for log in logs),
            )
            for own_rows, count in zip(rows, sums, strict=True):
                own_rows.append(((topic.name,), count))
        counted = sorted(self._broker.requests.items())
        requests: _Rows = [((_api(key),), count) for key, count in counted]
        name = "kafka_network_requestmetrics_requests"
        return [
            *(
                _counter(f"{prefix}_{each}", words, ("topic",), own_rows)
                for (each, words), own_rows in zip(told, rows, strict=True)
            ),
            _counter(name, "Requests of Kafka's clients", ("request",), requests),
        ]

    def own(self, http: Mapping[tuple[str, str, int], int]) -> Iterator[_Family]:
        """Yield those that only a fakebus has."""
        faults = self._broker.faults.in_force()
        yield _gauge("fakebus_build_info", "The version", ("version",), [((__version__,), 1)])
        yield _gauge("fakebus_faults_active", "Faults that are on", (), [((), len(faults))])
        subjects = len(self._bus.registry.subjects())
        yield _gauge("fakebus_registry_subjects", "Subjects of the registry", (), [((), subjects)])
        asked: _Rows = [
            ((method, route, str(status)), count)
            for (method, route, status), count in sorted(http.items())
        ]
        names = ("method", "route", "status")
        yield _counter("fakebus_http_requests", "Requests by HTTP", names, asked)
        tracing = self._bus.tracing
        counts = {} if tracing is None else tracing.counts
        spans: _Rows = [((outcome,), count) for outcome, count in counts.items()]
        yield _counter("fakebus_otlp_spans", "Spans for the collector", ("outcome",), spans)


_PARTITION_METRICS = {
    "kafka_topic_partition_current_offset": "Where the committed records of a partition end",
    "kafka_topic_partition_oldest_offset": "Where a partition begins",
    "kafka_topic_partition_in_sync_replica": "Replicas in sync",
    "kafka_topic_partition_leader": "Broker that leads",
    "kafka_topic_partition_leader_is_preferred": "1 if the first replica leads",
    "kafka_topic_partition_replicas": "Replicas",
    "kafka_topic_partition_under_replicated_partition": "1 if a replica is not in sync",
    "kafka_log_log_logendoffset": "Where a log ends",
    "kafka_log_log_logstartoffset": "Where a log begins",
}


def _api(key: int) -> str:
    return "".join(word.capitalize() for word in ApiKey(key).name.split("_"))


def _gauge(name: str, help_text: str, labels: tuple[str, ...], rows: _Rows) -> _Family:
    return _Family(GaugeMetricFamily, name, help_text, labels, rows)


def _counter(name: str, help_text: str, labels: tuple[str, ...], rows: _Rows) -> _Family:
    return _Family(CounterMetricFamily, name, help_text, labels, rows)
