from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.describe_cluster import handle_describe_cluster
from fakebus.protocol.messages import DescribeClusterRequest
from tests.unit.kafka.handlers.calling import call


@pytest.mark.parametrize("version", range(3))
async def test_the_cluster_is_described_at_the_address_of_the_client(
    broker: Broker, version: int
) -> None:
    response = await call(
        handle_describe_cluster, DescribeClusterRequest(), broker, version=version
    )
    assert (response.error_code, response.error_message) == (0, None)
    assert (response.cluster_id, response.controller_id) == (broker.cluster_id, 1)
    [node] = response.brokers
    assert (node.broker_id, node.host, node.port, node.rack) == (1, "kafka.test", 9092, "r1")
    assert node.is_fenced is False
    assert response.cluster_authorized_operations == -(2**31)


async def test_operations_are_those_of_kafka_without_an_authorizer(broker: Broker) -> None:
    request = DescribeClusterRequest(include_cluster_authorized_operations=True)
    response = await call(handle_describe_cluster, request, broker)
    assert response.cluster_authorized_operations == 8096


@pytest.mark.parametrize(("endpoint_type", "code"), [(2, 114), (3, 115), (0, 115)])
async def test_there_is_no_other_kind_of_endpoint(
    broker: Broker, endpoint_type: int, code: int
) -> None:
    request = DescribeClusterRequest(endpoint_type=endpoint_type, include_fenced_brokers=True)
    response = await call(handle_describe_cluster, request, broker)
    assert (response.error_code, response.brokers, response.cluster_id) == (code, [], "")
    assert response.error_message
