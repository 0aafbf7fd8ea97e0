"""How a Kafka API is declared: its key, the versions served, and the function that answers.

A handler is a plain function or a coroutine function. It gets the decoded request (one
class serves all versions) and a :class:`RequestContext`, and returns the response object,
an awaitable of it, a :class:`PendingResponse`, or ``None`` when nothing is to be sent
(Produce with acks=0).

A plain function runs at the moment the request is read; what it starts there happens in
the order of the requests on the connection. Raise :class:`CloseConnection` to drop the
client, and nothing else: errors of Kafka go into the response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from fakebus.broker.activity import Origin
from fakebus.broker.appending import Outcome
from fakebus.broker.ownership import SEEDER
from fakebus.broker.peer import Peer
from fakebus.broker.security.resources import ALL_OPERATIONS, Operation, ResourceType
from fakebus.kafka.authentication import SaslSession
from fakebus.kafka.served import SERVED
from fakebus.protocol.api_keys import ApiKey
from fakebus.types import Buffer

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.broker.partition_log import PartitionLog
    from fakebus.broker.topics import Topic


class PendingResponse(Outcome[Any]):
    """A response that comes later, without the turns of the event loop that a task takes.

    The handler settles it once, now or later: with the response, ``None`` for none, or a
    :class:`CloseConnection`.
    """

    abandon: Callable[[], None] | None = None
    """Stops what only the client waits for; without it the request is carried out."""

    async def response(self) -> Any:
        """Return the response as soon as it is there.

        Raises:
            CloseConnection: that is what was given instead.
        """
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.when_settled(lambda outcome: None if told.done() else told.set_result(outcome))
        outcome = await told
        if isinstance(outcome, CloseConnection):
            raise outcome
        return outcome


_MOST_CLIENT_IDS = 100
"""That one connection is remembered by."""

HandlerResult = Any | None | Awaitable[Any | None] | PendingResponse
HandlerFunction = Callable[[Any, "RequestContext"], HandlerResult]


class CloseConnection(Exception):  # noqa: N818 - an instruction to the listener, not an error
    """The client's connection is to be closed without an answer.

    Args:
        reason: what the log line says.
    """


@dataclass(slots=True, eq=False)
class ClientConnection:
    """Connection of a client and what is known of it; lives as long as the socket.

    ``eq=False`` makes it usable as a key: one client is one connection.
    """

    connection_id: int
    listener_name: str
    client_host: str
    """The client's address as Kafka prints it: ``/127.0.0.1``."""
    local_host: str = "127.0.0.1"
    """The address of ours that the client connected to."""
    local_port: int = 0
    client_software_name: str = ""
    client_software_version: str = ""
    principal: str = "User:ANONYMOUS"
    sasl: SaslSession | None = None
    """Where its authentication stands; ``None`` on listeners without."""
    close_after_answer: bool = False
    """Whether the connection ends with the answer to the request under way."""
    on_close: list[Callable[[], None]] = field(default_factory=list)
    """Called once when the connection has closed."""
    peer: Peer = field(default_factory=lambda: Peer(host="", port=0, local_port=0))
    origins: dict[str | None, Origin] = field(default_factory=dict)
    """By the client id that requests carry; usually there is one."""

    @property
    def user(self) -> str:
        """The name of its principal."""
        return self.principal.partition(":")[2]

    @property
    def may_ask_for_tokens(self) -> bool:
        """Whether it is one that nobody reads along, of a client that is known by itself."""
        if self.listener_name == "PLAINTEXT" or (self.sasl is not None and self.sasl.by_token):
            return False
        return self.listener_name != "SSL" or self.user != "ANONYMOUS"

    def origin(self, client_id: str | None) -> Origin:
        """Return who has sent a request that carries this client id."""
        known = self.origins.get(client_id)
        if known is not None and known.principal == self.principal:
            return known
        self.close_origins(but=_MOST_CLIENT_IDS)
        name = client_id or ""
        seeds = name.startswith(SEEDER)
        origin = self.origins[client_id] = Origin(
            front_end="kafka",
            client_id=name,
            verb="seeded" if seeds else "produced",
            source=name.removeprefix(SEEDER) if seeds else "",
            connection_id=self.connection_id,
            principal=self.principal,
            peer=self.peer,
        )
        return origin

    def close_origins(self, but: int = 0) -> None:
        """Forget who has sent requests, if there are more than so many; nothing comes from them."""
        if len(self.origins) > but:
            for origin in self.origins.values():
                origin.closed = True
            self.origins.clear()


class AdvertisedBroker(NamedTuple):
    """A broker's address as one particular client has to use it."""

    node_id: int
    host: str
    port: int
    rack: str | None
    running: bool = True


class Placement(NamedTuple):
    """Placement of a partition: its leader, its replicas, those in sync, and those offline."""

    leader: int
    replicas: list[int]
    in_sync: list[int]
    offline: list[int]


@dataclass(slots=True)
class RequestContext:
    """Context of one request: what a handler may use besides, and in the end the answer."""

    broker: Broker
    node_id: int
    """The node that answers: the one of the listener."""
    connection: ClientConnection
    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    origin: Origin
    """Who has sent the request."""
    advertised: Callable[[ClientConnection], list[AdvertisedBroker]]
    """Gives the brokers' addresses that this client can reach, also of those that have stopped."""
    frame_bytes: int = 0
    throttle_ms: int = 0
    """For how long the client is to send nothing more after the answer, as its quotas want it."""
    is_plain: bool = False
    """Whether nobody looks at the response or changes it, so that it may be given encoded."""
    overlaps: bool = False
    """Whether the next Produce may be begun before this one is answered."""
    done: bool = False
    """Whether there is an answer, or the client expects none."""
    response: Any = None
    response_version: int = 0
    encoded: list[Buffer] | None = None
    """The answer's frame, where it is there already instead of a response."""
    abandon: Callable[[], None] | None = None
    """Stops what only the client waits for, when it goes away."""

    def brokers(self) -> list[AdvertisedBroker]:
        """Return the brokers that run at the addresses that this client can reach."""
        return [broker for broker in self.advertised(self.connection) if broker.running]

    def allows(self, operation: Operation, resource_type: ResourceType, name: str) -> bool:
        """Return whether the client may do a thing with the resource of this name."""
        authorizer, client = self.broker.security.authorizer, self.connection
        return authorizer is None or authorizer.allows(
            client.principal, client.peer.host, operation, resource_type, name
        )

    def sees(self, resource_type: ResourceType, name: str) -> bool:
        """Return whether a resource is shown to the client among others."""
        authorizer, client = self.broker.security.authorizer, self.connection
        return authorizer is None or authorizer.allows(
            client.principal,
            client.peer.host,
            Operation.DESCRIBE,
            resource_type,
            name,
            quietly=True,
        )

    def operations(self, resource_type: ResourceType, name: str) -> int:
        """Return what the client may do with a resource, as a bit set (KIP-430).

        Of the cluster it is told nothing unless it may describe it.
        """
        authorizer, client = self.broker.security.authorizer, self.connection
        if authorizer is None:
            return ALL_OPERATIONS[resource_type]
        if resource_type is ResourceType.CLUSTER and not self.sees(resource_type, name):
            return 0
        return authorizer.operations(client.principal, client.peer.host, resource_type, name)

    def change_partitions(self, count: int, *, strict_since: int) -> None:
        """Count partitions that the client creates or deletes.

        Args:
            count: how many.
            strict_since: the version of the API since which too many are refused.

        Raises:
            BrokerError: THROTTLING_QUOTA_EXCEEDED.
        """
        quotas = self.broker.security.limiting
        if quotas is None:
            return
        strict = self.api_version >= strict_since
        waits_ms = quotas.mutate(self.connection.user, self.client_id or "", count, strict=strict)
        self.throttle_ms = max(self.throttle_ms, waits_ms)

    def must_come_back(self, size_bytes: int) -> bool:
        """Count what a fetch brings; return whether the client gets it only when it asks later."""
        quotas, user = self.broker.security.limiting, self.connection.user
        if quotas is None:
            return False
        client_id = self.client_id or ""
        self.throttle_ms = quotas.record("consumer_byte_rate", user, client_id, size_bytes)
        if self.throttle_ms:
            quotas.record("consumer_byte_rate", user, client_id, -size_bytes)
        return self.throttle_ms > 0

    @property
    def controller(self) -> int:
        """The node that clients take for the controller."""
        nodes = self.broker.nodes
        return self.node_id if nodes.single else nodes.controller

    def placed(self, topic: Topic, partition: int) -> Placement:
        """Return where a partition is, as clients are told."""
        nodes, log = self.broker.nodes, topic.partitions[partition]
        if nodes.single:
            return Placement(self.node_id, [self.node_id], [self.node_id], [])
        replicas = nodes.replicas(topic, partition)
        return Placement(
            nodes.leader(log),
            replicas,
            nodes.in_sync(log, replicas),
            [each for each in replicas if not nodes.is_running(each)],
        )

    def leads(self, log: PartitionLog) -> bool:
        """Return whether the node that answers is the leader of a partition."""
        nodes = self.broker.nodes
        return nodes.single or nodes.leader(log) == self.node_id

    def coordinates(self, topic_name: str, key: str) -> bool:
        """Return whether the node that answers is the coordinator of a group or transaction.

        Args:
            topic_name: the internal topic that Kafka keeps it in.
            key: the group or the transactional id.
        """
        nodes = self.broker.nodes
        return nodes.single or nodes.coordinator(topic_name, key) == self.node_id


class Handler(NamedTuple):
    """One API as it is served."""

    api_key: ApiKey
    min_version: int
    max_version: int
    function: HandlerFunction
    needs: Sequence[str] = ()
    """What a client has to be allowed, see :mod:`fakebus.kafka.access`."""
    coordinator: str = ""
    """Whose coordinator alone answers, see :mod:`fakebus.kafka.coordinators`."""


def handles(
    api_key: ApiKey, *, needs: Sequence[str], coordinator: str = ""
) -> Callable[[HandlerFunction], Handler]:
    """Declare a function as the handler of an API, whose versions stand in ``served.py``.

    Args:
        api_key: the API.
        needs: what a client has to be allowed, as in ``READ GROUP group_id``; the forms stand in
            :mod:`fakebus.kafka.access`.
        coordinator: whose coordinator alone answers where there are several nodes, as in
            ``GROUP group_id``; see :mod:`fakebus.kafka.coordinators`.
    """
    served = SERVED[api_key]

    def declare(function: HandlerFunction) -> Handler:
        return Handler(
            api_key, served.min_version, served.max_version, function, needs, coordinator
        )

    return declare
