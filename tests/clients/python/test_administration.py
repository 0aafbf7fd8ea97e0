"""What administrative tools ask besides topics and groups, of a cluster without security."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer, admin
from kafka import TopicPartition
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import (
    RetriableError,
    SecurityDisabledError,
    TransactionalIdNotFoundError,
)

from tests.clients.cluster import Cluster
from tests.clients.python.client import wait_until

pytestmark = pytest.mark.clients


@pytest.fixture
def kafka_python(cluster: Cluster) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    yield client
    client.close()


@pytest.fixture
def librdkafka(cluster: Cluster) -> admin.AdminClient:
    return admin.AdminClient({"bootstrap.servers": cluster.bootstrap_servers})


def test_kafka_python_is_told_that_there_is_no_security(kafka_python: Any) -> None:
    everything = ACLFilter(
        principal=None,
        host=None,
        operation=ACLOperation.ANY,
        permission_type=ACLPermissionType.ANY,
        resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )
    with pytest.raises(SecurityDisabledError):
        kafka_python.describe_acls(everything)
    assert kafka_python.describe_user_scram_credentials() == {}


def test_kafka_python_finds_a_transaction_that_has_ended(
    cluster: Cluster, kafka_python: Any, unique: Callable[[str], str]
) -> None:
    name = unique("transaction")
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "transactional.id": name})
    producer.init_transactions(30)
    listed = [one for each in kafka_python.list_transactions().values() for one in each]
    assert [str(one.state.value) for one in listed if one.transactional_id == name] == ["Empty"]
    assert kafka_python.find_hanging_transactions() == []


def test_kafka_python_does_not_know_a_transactional_id(kafka_python: Any) -> None:
    def is_unknown() -> bool:
        try:
            kafka_python.describe_transactions(["unknown"])
        except RetriableError:
            # A cluster that has had no transactions before needs a moment.
            return False
        except TransactionalIdNotFoundError:
            return True
        raise AssertionError("the cluster describes a transaction that never was")

    wait_until(is_unknown, "a coordinator of transactions")


def test_kafka_python_describes_the_node(kafka_python: Any, new_topic: Callable[[], str]) -> None:
    topic = new_topic()
    features = kafka_python.describe_features()
    assert features["metadata.version"]["finalized"] == (30, 30)
    [quorum] = kafka_python.describe_metadata_quorum()["topics"]
    assert quorum["partitions"][0]["leader_id"] == 1
    partition = TopicPartition(topic, 0)
    assert kafka_python.describe_producers([partition])[partition].active_producers == []


def test_librdkafka_is_told_that_there_is_no_security(librdkafka: admin.AdminClient) -> None:
    binding = admin.AclBinding(
        admin.ResourceType.TOPIC,
        "t",
        admin.ResourcePatternType.LITERAL,
        "User:a",
        "*",
        admin.AclOperation.ALL,
        admin.AclPermissionType.ALLOW,
    )
    [created] = librdkafka.create_acls([binding]).values()
    with pytest.raises(KafkaException, match="SECURITY_DISABLED"):
        created.result()
    assert librdkafka.describe_user_scram_credentials().result() == {}
    with pytest.raises(KafkaException, match="RESOURCE_NOT_FOUND"):
        librdkafka.describe_user_scram_credentials(["a"])["a"].result()
