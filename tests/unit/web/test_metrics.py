"""``/metrics``: what dashboards for Kafka ask for is there, and has the right values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.unit.web.rest.proxy import Proxy
from tests.unit.web.server import http_bus

DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana-dashboard.json"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


EXPORTERS_NAMES = """
    kafka_brokers kafka_broker_info kafka_topic_partitions kafka_topic_partition_current_offset
    kafka_topic_partition_oldest_offset kafka_topic_partition_leader kafka_topic_partition_replicas
    kafka_topic_partition_in_sync_replica kafka_topic_partition_leader_is_preferred
    kafka_topic_partition_under_replicated_partition kafka_consumergroup_current_offset
    kafka_consumergroup_current_offset_sum kafka_consumergroup_lag kafka_consumergroup_lag_sum
    kafka_consumergroup_members
""".split()
"""All that kafka_exporter 1.9 tells, but for ZooKeeper."""


@pytest.fixture(scope="module")
def samples(session: requests.Session) -> Iterator[Samples]:
    """The metrics of a bus with records, a group that is behind, and what its clients asked."""
    with http_bus(configs={"num.partitions": "2"}) as running:
        proxy = Proxy(running.http_url, session)
        proxy.produce("others", {"value": 1})
        proxy.produce("orders", *({"value": number, "partition": 0} for number in range(5)))
        consumer = proxy.consumer("billing")
        consumer.do("POST", "/subscription", {"topics": ["orders"]})
        place = {"topic": "orders", "partition": 0, "offset": 1}
        consumer.do("POST", "/offsets", {"offsets": [place]})
        assert len(consumer.records()) == 3
        assert proxy.ask("GET", "/no/such/path").status_code == 404
        answer = proxy.ask("GET", "/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        yield {
            (each.name, frozenset(each.labels.items())): each.value
            for family in text_string_to_metric_families(answer.text)
            for each in family.samples
        }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("kafka_brokers", {}, 1),
        ("kafka_topic_partitions", {"topic": "orders"}, 2),
        ("kafka_topic_partition_current_offset", {"topic": "orders", "partition": "0"}, 5),
        ("kafka_topic_partition_oldest_offset", {"topic": "orders", "partition": "0"}, 0),
        ("kafka_topic_partition_replicas", {"topic": "orders", "partition": "1"}, 1),
        ("kafka_topic_partition_in_sync_replica", {"topic": "orders", "partition": "1"}, 1),
        ("kafka_topic_partition_leader_is_preferred", {"topic": "orders", "partition": "1"}, 1),
        (
            "kafka_topic_partition_under_replicated_partition",
            {"topic": "orders", "partition": "1"},
            0,
        ),
        (
            "kafka_consumergroup_current_offset",
            {"consumergroup": "billing", "topic": "orders", "partition": "0"},
            2,
        ),
        (
            "kafka_consumergroup_lag",
            {"consumergroup": "billing", "topic": "orders", "partition": "0"},
            3,
        ),
        ("kafka_consumergroup_lag_sum", {"consumergroup": "billing", "topic": "orders"}, 3),
        (
            "kafka_consumergroup_current_offset_sum",
            {"consumergroup": "billing", "topic": "orders"},
            2,
        ),
        ("kafka_consumergroup_members", {"consumergroup": "billing"}, 1),
        ("kafka_log_log_logendoffset", {"topic": "orders", "partition": "0"}, 5),
        ("kafka_controller_kafkacontroller_activecontrollercount", {}, 1),
        ("kafka_controller_kafkacontroller_globaltopiccount", {}, 2),
        ("kafka_controller_kafkacontroller_globalpartitioncount", {}, 4),
        ("kafka_controller_kafkacontroller_offlinepartitionscount", {}, 0),
        ("kafka_server_replicamanager_partitioncount", {}, 4),
        ("kafka_server_replicamanager_leadercount", {}, 4),
        ("kafka_server_replicamanager_underreplicatedpartitions", {}, 0),
        ("kafka_server_brokertopicmetrics_messagesin_total", {"topic": "orders"}, 5),
        ("fakebus_faults_active", {}, 0),
        (
            "fakebus_http_requests_total",
            {"method": "POST", "route": "/topics/{topic}", "status": "200"},
            2,
        ),
        ("fakebus_http_requests_total", {"method": "", "route": "", "status": "404"}, 1),
    ],
)
def test_a_metric_has_its_value(
    samples: Samples, name: str, labels: dict[str, str], value: float
) -> None:
    assert samples[name, frozenset(labels.items())] == value


def test_bytes_are_counted_as_they_pass(samples: Samples) -> None:
    orders = frozenset({("topic", "orders")})
    arrived = samples["kafka_server_brokertopicmetrics_bytesin_total", orders]
    place = frozenset({("topic", "orders"), ("partition", "0")})
    assert arrived == samples["kafka_log_log_size", place] > 0
    assert samples["kafka_server_brokertopicmetrics_bytesout_total", orders] >= arrived
    others = frozenset({("topic", "others")})
    assert samples["kafka_server_brokertopicmetrics_bytesout_total", others] == 0


def test_the_dashboard_asks_only_for_names_with_labels_that_there_are(samples: Samples) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    labels: dict[str, set[str]] = {}
    for name, of_it in samples:
        labels.setdefault(name, set()).update(label for label, _ in of_it)
    # Those of Kafka's own clients come with the first of them.
    labels["kafka_network_requestmetrics_requests_total"] = {"request"}
    asked = [target for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(dashboard["panels"]) == 10
    for query, legend in [(each["expr"], each.get("legendFormat", "")) for each in asked]:
        name, selected = re.findall(r"((?:kafka|fakebus)_\w+)(?:\{(.*?)\})?", query)[0]
        wanted = set(re.findall(r"(\w+)=~", selected))
        kept = re.findall(r"by \((.*?)\)", query)
        told = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert wanted | {each for by in kept for each in by.split(", ")} <= labels[name], query
        assert told <= (set(kept[0].split(", ")) if kept else labels[name]), query
    for choice in dashboard["templating"]["list"][1:]:
        name, label = re.findall(r"label_values\((\w+), (\w+)\)", choice["query"])[0]
        assert label in labels[name]


def test_all_that_kafka_exporter_tells_is_told(samples: Samples) -> None:
    assert set(EXPORTERS_NAMES) - {name for name, _ in samples} == set()


def test_a_broker_is_told_with_the_address_that_clients_go_to() -> None:
    any_port = (Address("127.0.0.1", 0),)
    with BusThread(
        FakeBus(Settings(data=None, kafka=any_port, http=any_port, brokers=2))
    ) as thread:
        text = requests.get(f"{thread.bus.http_url}/metrics", timeout=60).text
        first, second = thread.bus.bootstrap_servers.split(",")
    assert f'kafka_broker_info{{address="{first}",id="1"}} 1.0\n' in text
    assert f'kafka_broker_info{{address="{second}",id="2"}} 1.0\n' in text
