"""What a handler of version 3 is called with, and how its answers name resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from fakebus.broker.groups.group import GroupDescription
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topic
from fakebus.web.errors import RequestError
from fakebus.web.large_answers import json_answer
from fakebus.web.rest.call import RestCall

UNKNOWN_TOPIC = 40403
"""What a topic is that is not there, by Kafka's own error."""
_SINGULAR = {
    "topics": "topic",
    "partitions": "partition",
    "configs": "config",
    "brokers": "broker",
    "broker-configs": "broker-config",
    "consumer-groups": "consumer-group",
    "consumers": "consumer",
    "assignments": "assignment",
    "lags": "lag",
    "replicas": "replica",
}
Resource = dict[str, object]


@dataclass(frozen=True, slots=True)
class V3Call(RestCall):
    """Call of a route of version 3."""

    @property
    def cluster_id(self) -> str:
        """The id of the cluster."""
        return self.bus.broker.cluster_id

    def url(self, *path: object) -> str:
        """Return the address of something in the cluster."""
        request = self.request
        prefix = "/kafka" if request.path.startswith("/kafka/") else ""
        base = f"{request.scheme}://{request.host}{prefix}/v3/clusters/{self.cluster_id}"
        return "/".join((base, *(quote(str(part), safe=":") for part in path)))

    def related(self, *path: object) -> Resource:
        """Return the reference to something in the cluster."""
        return {"related": self.url(*path)}

    def resource(self, kind: str, path: Iterable[object], fields: Mapping[str, object]) -> Resource:
        """Return a resource as answers have it.

        Args:
            kind: without ``Kafka``.
            path: in the cluster, as names of collections and of their elements in turn.
            fields: besides those that all have.
        """
        parts = [str(part) for part in path]
        name = f"crn:///kafka={self.cluster_id}"
        for at in range(0, len(parts), 2):
            pair = parts[at : at + 2]
            name += "/" + "=".join((_SINGULAR.get(pair[0], pair[0]), *pair[1:]))
        return {
            "kind": f"Kafka{kind}",
            "metadata": {"self": self.url(*parts), "resource_name": name},
            "cluster_id": self.cluster_id,
            **fields,
        }

    def collection(
        self, kind: str, path: Iterable[object], elements: Iterable[Resource]
    ) -> Resource:
        """Return a list of resources, made as it is sent; arguments as for :meth:`resource`."""
        metadata = {"self": self.url(*path), "next": None}
        return {"kind": f"Kafka{kind}List", "metadata": metadata, "data": iter(elements)}

    async def created(self, resource: Resource) -> web.StreamResponse:
        """Return the answer that tells what was created."""
        return await json_answer(self.request, resource, status=201)

    def group(self) -> GroupDescription:
        """Return the path's group; RequestError 404 if there is none."""
        name = self.path("group")
        found = self.bus.broker.group_coordinator.describe(name)
        if found is None:
            raise RequestError(404, f"Consumer group {name[:300]} cannot be found.")
        return found

    def broker_id(self) -> int:
        """Return the path's broker; RequestError 404 if there is none."""
        known = {str(node_id): node_id for node_id in self.bus.broker.nodes.ids}
        found = known.get(self.path("broker"))
        if found is None:
            raise RequestError(404, f"Broker {self.path('broker')[:80]} cannot be found.")
        return found


def replicas_of(call: V3Call, topic: Topic, log: PartitionLog) -> tuple[int, list[int], list[int]]:
    """Return the leader of a partition of a topic, its replicas, and those in sync."""
    nodes = call.bus.broker.nodes
    replicas = nodes.replicas(topic, log.topic_partition.partition)
    return nodes.leader(log), replicas, nodes.in_sync(log, replicas)


def demand(fields: Mapping[str, Any], *names: str) -> None:
    """Demand that a body has fields; RequestError 422 names the first that is missing."""
    for name in names:
        if fields.get(name) is None:
            raise RequestError(422, f"{name} is missing")
