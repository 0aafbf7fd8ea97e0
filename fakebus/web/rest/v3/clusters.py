"""The cluster, its brokers, and the replicas that they hold."""

from __future__ import annotations

from collections.abc import Iterator

from fakebus.cluster.interface import BrokerNode
from fakebus.web.errors import RequestError
from fakebus.web.rest.v3.call import Resource, V3Call, replicas_of


async def list_clusters(call: V3Call) -> object:
    """List the cluster."""
    url = call.url().rpartition("/")[0]
    metadata = {"self": url, "next": None}
    return {"kind": "KafkaClusterList", "metadata": metadata, "data": [_cluster(call)]}


async def read_cluster(call: V3Call) -> object:
    """Tell where to find what is in the cluster."""
    return _cluster(call)


def _cluster(call: V3Call) -> Resource:
    places = ("acls", "brokers", "broker-configs", "consumer-groups", "topics")
    links = {place.replace("-", "_"): call.related(place) for place in places}
    reassigned = call.related("topics", "-", "partitions", "-", "reassignment")
    controller = call.related("brokers", call.bus.broker.nodes.controller)
    fields = {"controller": controller, **links, "partition_reassignments": reassigned}
    return call.resource("Cluster", (), fields)


async def list_brokers(call: V3Call) -> object:
    """List the brokers that run."""
    nodes = await call.cluster.brokers()
    return call.collection("Broker", ("brokers",), (_broker(call, each) for each in nodes))


async def read_broker(call: V3Call) -> object:
    """Tell the address of a broker."""
    node_id = call.broker_id()
    for each in await call.cluster.brokers():
        if each.node_id == node_id:
            return _broker(call, each)
    raise RequestError(404, f"Broker {node_id} does not run.")


def _broker(call: V3Call, node: BrokerNode) -> Resource:
    # "PLAINTEXT://host:port,…": the first of its listeners.
    address = node.address.partition(",")[0].rpartition("://")[2]
    host, _, port = address.rpartition(":")
    fields = {
        "broker_id": node.node_id,
        "host": host or None,
        "port": int(port) if port.isdigit() else None,
        "rack": None,
        "configs": call.related("brokers", node.node_id, "configs"),
        "partition_replicas": call.related("brokers", node.node_id, "partition-replicas"),
    }
    return call.resource("Broker", ("brokers", node.node_id), fields)


async def list_partition_replicas(call: V3Call) -> object:
    """List the replicas that a broker holds."""
    node_id = call.broker_id()

    def found() -> Iterator[Resource]:
        for topic in list(call.bus.broker.topics):
            for log in topic.partitions:
                leader, replicas, in_sync = replicas_of(call, topic, log)
                if node_id in replicas:
                    yield replica(call, *log.topic_partition, node_id, leader, in_sync)

    return call.collection("Replica", ("brokers", node_id, "partition-replicas"), found())


def replica(
    call: V3Call, topic: str, partition: int, node_id: int, leader: int, in_sync: list[int]
) -> Resource:
    """Return the replica of a partition on a broker."""
    fields = {
        "topic_name": topic,
        "partition_id": partition,
        "broker_id": node_id,
        "is_leader": node_id == leader,
        "is_in_sync": node_id in in_sync,
        "broker": call.related("brokers", node_id),
    }
    path = ("topics", topic, "partitions", partition, "replicas", node_id)
    return call.resource("Replica", path, fields)
