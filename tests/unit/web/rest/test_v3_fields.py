"""Fields of the resources of version 3, as the public description of kafka-rest has them.

``~`` stands before those that may be null, and an address that ends with ``*`` is that of a list.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.unit.web.rest.proxy import Proxy
from tests.unit.web.rest.test_v3 import Cluster
from tests.unit.web.server import http_bus

_CONFIG = "name is_default is_read_only is_sensitive source synonyms ~value"
_LAG = (
    "consumer_group_id topic_name partition_id current_offset log_end_offset lag consumer_id "
    "client_id ~instance_id"
)
_ASSIGNMENT = "consumer_group_id consumer_id topic_name partition_id partition lag"
_GROUP = (
    "consumer_group_id is_simple partition_assignor state type is_mixed_consumer_group coordinator "
    "consumers lag_summary"
)
_REPLICA = "topic_name partition_id broker_id is_leader is_in_sync broker"
_PARTITION = "topic_name partition_id replicas reassignment ~leader"
_TOPIC = (
    "topic_name is_internal replication_factor partitions_count partitions configs "
    "partition_reassignments"
)
_CLUSTER = "acls brokers broker_configs consumer_groups topics partition_reassignments ~controller"
_BROKER = "broker_id configs partition_replicas ~host ~port ~rack"
RESOURCES = {
    "": f"Cluster {_CLUSTER}",
    "/brokers*": f"Broker {_BROKER}",
    "/brokers/1": f"Broker {_BROKER}",
    "/brokers/-/configs*": f"BrokerConfig {_CONFIG} broker_id",
    "/brokers/1/configs*": f"BrokerConfig {_CONFIG} broker_id",
    "/brokers/1/configs/compression.type": f"BrokerConfig {_CONFIG} broker_id",
    "/brokers/1/partition-replicas*": f"Replica {_REPLICA}",
    "/broker-configs*": f"ClusterConfig {_CONFIG} config_type",
    "/broker-configs/log.retention.ms": f"ClusterConfig {_CONFIG} config_type",
    "/topics*": f"Topic {_TOPIC}",
    "/topics/fields": f"Topic {_TOPIC}",
    "/topics/-/configs*": f"TopicConfig {_CONFIG} topic_name",
    "/topics/fields/configs*": f"TopicConfig {_CONFIG} topic_name",
    "/topics/fields/configs/retention.ms": f"TopicConfig {_CONFIG} topic_name",
    "/topics/fields/partitions*": f"Partition {_PARTITION}",
    "/topics/fields/partitions/0": f"Partition {_PARTITION}",
    "/topics/fields/partitions/0/offset": "PartitionWithOffsets topic_name partition_id "
    "earliest_offset latest_offset",
    "/topics/fields/partitions/0/replicas*": f"Replica {_REPLICA}",
    "/topics/fields/partitions/0/replicas/1": f"Replica {_REPLICA}",
    "/topics/-/partitions/-/reassignment*": "Reassignment",
    "/topics/fields/partitions/-/reassignment*": "Reassignment",
    "/acls*": "Acl resource_type resource_name pattern_type principal host operation permission",
    "/consumer-groups*": f"ConsumerGroup {_GROUP}",
    "/consumer-groups/fields": f"ConsumerGroup {_GROUP}",
    "/consumer-groups/fields/lag-summary": "ConsumerGroupLagSummary consumer_group_id "
    "max_lag_consumer_id max_lag_client_id max_lag_topic_name max_lag_partition_id max_lag "
    "total_lag max_lag_consumer max_lag_partition ~max_lag_instance_id",
    "/consumer-groups/fields/lags*": f"ConsumerLag {_LAG}",
    "/consumer-groups/fields/lags/fields/partitions/0": f"ConsumerLag {_LAG}",
    "/consumer-groups/fields/consumers*": "Consumer consumer_group_id consumer_id client_id "
    "assignments ~instance_id",
    "/consumer-groups/fields/consumers/{member}": "Consumer consumer_group_id consumer_id "
    "client_id assignments ~instance_id",
    "/consumer-groups/fields/consumers/{member}/assignments*": f"ConsumerAssignment {_ASSIGNMENT}",
    "/consumer-groups/fields/consumers/{member}/assignments/fields/partitions/0": (
        f"ConsumerAssignment {_ASSIGNMENT}"
    ),
}


@pytest.fixture(scope="module")
def filled(session: requests.Session) -> Iterator[Cluster]:
    """A cluster with something of each kind."""
    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    configs = {"authorizer.class.name": authorizer, "super.users": "User:ANONYMOUS"}
    with http_bus(configs=configs) as running:
        cluster = Cluster(Proxy(running.http_url, session))
        path = cluster.topic("fields")
        cluster.send("fields", value={"type": "STRING", "data": "x"})
        assert cluster.ask("PUT", "/broker-configs/log.retention.ms", {"value": "9"}).ok
        names = "resource_type resource_name pattern_type principal host operation permission"
        acl = dict(zip(names.split(), "TOPIC a LITERAL User:a * READ ALLOW".split(), strict=True))
        assert cluster.ask("POST", "/acls", acl).status_code == 201
        consumer = cluster.proxy.consumer("fields")
        consumer.do("POST", "/subscription", {"topics": ["fields"]})
        place = {"topic": "fields", "partition": 0, "offset": 0}
        consumer.do("POST", "/offsets", {"offsets": [place]})
        assert cluster.get(f"{path}/partitions")
        yield cluster
        consumer.do("DELETE", "")


@pytest.mark.parametrize("address", RESOURCES)
def test_a_resource_has_all_fields_of_its_kind(filled: Cluster, address: str) -> None:
    kind, *fields = RESOURCES[address].split()
    path = address.removesuffix("*")
    if "{member}" in path:
        [member] = filled.get("/consumer-groups/fields/consumers")["data"]
        path = path.replace("{member}", member["consumer_id"])
    found = filled.get(path)
    resources = [found]
    if address.endswith("*"):
        assert found["kind"] == f"Kafka{kind}List"
        assert set(found["metadata"]) == {"self", "next"}
        resources = found["data"]
        # No partition is ever moved here.
        assert resources or kind == "Reassignment"
    for each in resources:
        assert each["kind"] == f"Kafka{kind}"
        assert set(each["metadata"]) == {"self", "resource_name"}
        assert each["cluster_id"] == filled.id
        for name in fields:
            assert name.removeprefix("~") in each
            assert name.startswith("~") or each[name] is not None


def test_receipts_have_all_fields_of_theirs(filled: Cluster) -> None:
    value = {"type": "STRING", "data": "x"}
    sent = filled.send("fields", key=value, value=value)
    assert set(sent) >= set("error_code cluster_id topic_name partition_id offset".split())
    assert set(sent["key"]) >= {"size", "type"} <= set(sent["value"])
    entries = [{"id": "1", "value": value}, {"id": "2", "partition_id": 9, "value": value}]
    answer = filled.ask("POST", "/topics/fields/records:batch", {"entries": entries}).json()
    assert [each["id"] for each in answer["successes"]] == ["1"]
    assert [set(each) for each in answer["failures"]] == [{"id", "error_code", "message"}]


def test_a_topic_that_is_only_tried_is_answered_as_if_it_was_created(filled: Cluster) -> None:
    body = {"topic_name": "tried", "validate_only": True}
    answer = filled.ask("POST", "/topics", body)
    assert (answer.status_code, answer.json()["topic_name"]) == (200, "tried")
    assert filled.ask("GET", "/topics/tried").status_code == 404
