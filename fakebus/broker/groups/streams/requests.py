"""What members of streams groups ask of the coordinator and what they are answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fakebus.broker.groups.streams.assignor import TaskShare
from fakebus.broker.groups.streams.topology import InternalTopic, Status, TaskId, Topology
from fakebus.errors import ErrorCode


class Endpoint(NamedTuple):
    """Address at which a member answers queries of its state."""

    host: str
    port: int


class StreamsHeartbeat(NamedTuple):
    """A member of a streams group joins, stays or leaves; what is ``None`` has not changed."""

    group_id: str
    member_id: str
    member_epoch: int
    """0 joins, -1 leaves."""
    endpoint_epoch: int = -1
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    topology: Topology | None = None
    source_patterns: bool = False
    """Whether the topology has regular expressions for source topics."""
    active: frozenset[TaskId] | None = None
    standby: frozenset[TaskId] | None = None
    warmup: frozenset[TaskId] | None = None
    process_id: str | None = None
    endpoint: Endpoint | None = None
    tags: tuple[tuple[str, str], ...] | None = None
    shuts_down: bool = False
    """Whether the whole application is to end."""
    tells_offsets: bool = False
    """Whether it says how far its tasks are."""
    client_id: str = ""
    client_host: str = ""
    connection: object | None = None

    @property
    def owned(self) -> TaskShare | None:
        """The tasks that the member says that it has; ``None`` if it leaves out any kind."""
        if self.active is None or self.standby is None or self.warmup is None:
            return None
        return TaskShare(self.active, self.standby)


class EndpointTopics(NamedTuple):
    """Partitions that a member has at its endpoint, by topic: active ones, and copies."""

    endpoint: Endpoint
    active: dict[str, list[int]]
    standby: dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsResult:
    """The answer to a :class:`StreamsHeartbeat`."""

    error: ErrorCode = ErrorCode.NONE
    message: str | None = None
    member_id: str = ""
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    status: tuple[Status, ...] = ()
    tasks: TaskShare | None = None
    """``None`` if they have not changed."""
    endpoint_epoch: int = 0
    endpoints: tuple[EndpointTopics, ...] | None = None
    missing: tuple[InternalTopic, ...] = field(default=())
    """Topics of its own that the application needs."""
    topics: frozenset[str] | None = None
    """What the member reads; ``None`` if it has not said."""

    @classmethod
    def refused(cls, error: ErrorCode, message: str | None) -> StreamsResult:
        """Return what is said to a client that is not let in."""
        return cls(error=error, message=message)
