"""A cluster as consoles and agents see it: one interface, with two implementations.

:class:`fakebus.cluster.embedded.EmbeddedCluster` looks at a bus of this process,
:class:`fakebus.cluster.external.ExternalCluster` at any Kafka through a client library. What they
are asked for is narrow; what follows from it stands once, in :mod:`fakebus.cluster.browsing`:
pages of records, newest first or from a place on, filters, searches, previews of a reset.

Every method raises a :class:`fakebus.errors.FakebusError` with a text for people when the cluster
refuses or does not answer: :class:`NotFoundError` when what was named is not there,
:class:`NotOnThisCluster` when only a bus of our own could know.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fakebus.client.connection import NotFoundError as NotFoundError
from fakebus.client.groups import GroupDetails
from fakebus.client.offsets import LogRange
from fakebus.client.registry import SchemaDetails as SchemaDetails
from fakebus.errors import FakebusError
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.turns import Pace
    from fakebus.cluster.events import Event
    from fakebus.records.record import NewRecord
    from fakebus.servers import Bus


class NotOnThisCluster(FakebusError):  # noqa: N818 - it says what is the matter
    """Error: the cluster is asked for what only a bus of our own, or a registry, could tell."""


class ClusterError(FakebusError):
    """Error: the cluster refuses what was asked of it."""


def is_internal_topic(name: str) -> bool:
    """Return whether a topic belongs to Kafka, to a schema registry or to seeding."""
    return name.startswith("__") or name == SCHEMAS_TOPIC


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSummary:
    """Topic as a list of topics shows it."""

    name: str
    partitions: int
    records: int
    """The offsets between the logs' starts and ends; compaction leaves fewer records."""
    size_bytes: int | None
    """``None`` where the cluster does not tell."""
    is_internal: bool
    """Whether it belongs to Kafka, to a schema registry or to seeding."""

    @property
    def mean_bytes(self) -> float:
        """The size of a record on an average; 0 where the cluster does not tell."""
        return (self.size_bytes or 0) / max(self.records, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionDetails:
    """Partition of a topic, and the range of its log."""

    partition: int
    log: LogRange
    size_bytes: int | None
    """``None`` where the cluster does not tell."""
    leader: int
    """The id of the broker that leads it; -1 if there is none."""
    replicas: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigValue:
    """Config of a topic or a broker."""

    name: str
    value: str | None
    """``None`` for a secret, or when it has no value."""
    source: str
    """Where it is set: ``default``, ``topic``, ``static_broker``, ``dynamic_broker`` and so on."""
    is_read_only: bool
    is_sensitive: bool

    @property
    def is_default(self) -> bool:
        """Whether nobody has set it."""
        return self.source == "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDetails:
    """Topic with its partitions and configs."""

    name: str
    is_internal: bool
    partitions: tuple[PartitionDetails, ...]
    configs: tuple[ConfigValue, ...]
    """All of them, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSummary:
    """Consumer group as a list of groups shows it."""

    name: str
    state: str
    """In lower case: stable, empty, preparing_rebalancing and so on."""
    kind: str
    """``classic`` or ``consumer``; of a bus also ``share`` or ``streams``."""
    members: int
    topics: tuple[str, ...]
    """Those that it has committed offsets for or that a member reads."""
    lag: int | None
    """Over all committed partitions; ``None`` if nothing is committed."""


def summary_of(details: GroupDetails) -> GroupSummary:
    """Return what a list of groups shows of one."""
    lags = [each.lag for each in details.partitions if each.lag is not None]
    return GroupSummary(
        name=details.name,
        state=details.state,
        kind=details.kind,
        members=len(details.members),
        topics=tuple(dict.fromkeys(each.topic_partition.topic for each in details.partitions)),
        lag=sum(lags) if lags else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchema:
    """Schema that is tried or registered as the next version of a subject."""

    text: str
    schema_type: str = "AVRO"
    references: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerNode:
    """Broker of the cluster."""

    node_id: int
    address: str
    """Where clients are told to find it."""
    is_controller: bool


class Copy(NamedTuple):
    """Copy of a record that is to be written."""

    source: str
    """The record's name up to its offset, with the ``@``."""
    offset: int
    """That of the record."""
    partition: int
    """Where to."""
    record: NewRecord


class Schemas(Protocol):
    """Schema registry of a cluster."""

    async def subjects(self) -> list[str]:
        """Return all subjects by name."""

    async def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject, oldest first; NotFoundError if there are none."""

    async def version(self, subject: str, version: int | str = "latest") -> SchemaDetails:
        """Return one version of a subject; NotFoundError if it is not there."""

    async def check(self, subject: str, schema: NewSchema) -> list[str]:
        """Return why a schema may not be a subject's next version; empty if it may."""

    async def register(self, subject: str, schema: NewSchema) -> int:
        """Register a schema as a subject's next version, and return its id."""

    async def level(self, subject: str | None = None) -> str:
        """Return the compatibility level that holds for a subject, or for all without one."""

    async def set_level(self, subject: str | None, level: str | None) -> None:
        """Set the level of a subject, or of all without one; ``None`` takes it back."""

    async def delete(self, subject: str) -> None:
        """Delete all versions of a subject; deletion is soft, their ids stay known."""

    async def encode(self, subject: str, data: Any, version: int | str = "latest") -> bytes:
        """Return data in the framing of a schema of a subject.

        Raises:
            NotFoundError: there is no such subject.
            ClusterError: the data does not fit; the message names the place.
        """


class Cluster(Protocol):
    """Cluster with its schema registry."""

    name: str
    """The bootstrap address, for people."""
    is_external: bool
    """Whether it is looked at through a client library."""

    def now_ms(self) -> int:
        """Return the cluster's time in milliseconds since the epoch, as far as it is known."""

    def bus(self, what: str) -> Bus:
        """Return the bus, for what only a bus knows: flows, clients, snapshots, faults.

        Args:
            what: what it is wanted for, as the subject of a sentence: "the flow of a record".

        Raises:
            NotOnThisCluster: it is an external cluster; the message names ``what``.
        """

    @property
    def schemas(self) -> Schemas:
        """Its schema registry; NotOnThisCluster if it has none that is known."""

    async def close(self) -> None:
        """Disconnect."""

    # Topics

    async def topics(self) -> list[TopicSummary]:
        """Return all topics by name, internal ones too."""

    async def topic(self, name: str) -> TopicDetails:
        """Return one topic; NotFoundError names the nearest ones if it is not there."""

    async def create_topic(
        self, name: str, partitions: int | None = None, configs: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic; with the cluster's default number of partitions when left out."""

    async def add_partitions(self, name: str, count: int) -> None:
        """Let a topic have ``count`` partitions in all."""

    async def set_topic_configs(
        self, name: str, configs: Mapping[str, str], removed: Iterable[str] = ()
    ) -> None:
        """Set configs of a topic and take others back to their defaults; the rest stays."""

    async def empty_topic(self, name: str) -> None:
        """Delete all records of a topic; it and its offsets go on."""

    async def delete_topic(self, name: str) -> None:
        """Delete a topic."""

    # Records

    async def ranges(self, topics: Iterable[str]) -> dict[TopicPartition, LogRange]:
        """Return where the logs of topics begin and end; NotFoundError if one is not there."""

    async def offsets_at(self, moments: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the first offsets with a timestamp of at least some milliseconds, or -1."""

    def slices(
        self,
        wanted: Mapping[TopicPartition, LogRange],
        having: Sequence[bytes] = (),
        pace: Pace | None = None,
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the records of ranges, in slices of one partition each, bounded in size.

        The records of a partition come in order. Offsets that hold no record are passed over;
        what lies beyond the readable end of a log does not come. Close the iterator to stop.

        Args:
            wanted: which.
            having: texts in lower case; records that have none of them need not come.
            pace: at which much is read without keeping others from the event loop.
        """

    def follow(
        self, topics: Iterable[str], positions: Mapping[TopicPartition, int] | None = None
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield what is written to topics as it arrives, also to those created later.

        An empty slice comes whenever there was nothing for half a second. Close the iterator
        to stop.

        Args:
            topics: which, whether they exist or not.
            positions: where to begin; at the end as it is now where there is none.
        """

    async def produce(self, topic: str, partition: int | None, record: NewRecord) -> Event:
        """Write a record and return it as it was stored.

        Args:
            topic: which; NotFoundError if it is not there.
            partition: which; by the key, as librdkafka does, or else in turns when left out.
            record: without a timestamp it gets the present.
        """

    def replay(self, topic: str, copies: Sequence[Copy]) -> AsyncGenerator[tuple[Copy, int], None]:
        """Write copies of records, and yield each with its offset when it is stored.

        Those of one partition come in their order. What is written behind one that is refused may
        be stored or not.
        """

    # Groups

    async def groups(self) -> list[GroupSummary]:
        """Return all consumer groups by name."""

    async def group(self, name: str) -> GroupDetails:
        """Return one group; NotFoundError names the nearest ones if it is not there."""

    async def find_group(self, name: str) -> GroupDetails | None:
        """Return one group; ``None`` if it is not there."""

    async def why(self, group: str) -> dict[str, Any] | None:
        """Return why a group is stuck, as ``fakebus why --json`` does; ``None`` for no group.

        Over another cluster a group that lags is watched for some seconds.
        """

    async def set_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for a group without members; creates the group if there is none."""

    async def delete_group(self, name: str) -> None:
        """Delete a group without members, and what it has committed."""

    # Brokers

    async def brokers(self) -> list[BrokerNode]:
        """Return all brokers by id."""

    async def broker_configs(self, node_id: int) -> list[ConfigValue]:
        """Return all configs of a broker by name; NotFoundError if there is none of that id."""
