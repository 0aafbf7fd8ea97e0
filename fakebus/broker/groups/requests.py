"""What members ask of the coordinator and what they are answered, free of wire types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from fakebus.errors import ErrorCode
from fakebus.types import TopicIdPartition

UNKNOWN_MEMBER_ID = ""
"""What a client sends that has no member id yet."""


class GroupProtocol(NamedTuple):
    """An assignment strategy that a member can take part in, with its data for it."""

    name: str
    metadata: bytes


MAX_GROUP_BYTES = 8 * 1024 * 1024
"""What the members of a group may bring together; Kafka's groups end at a megabyte, the largest
record (``message.max.bytes``)."""

_OVERHEAD_BYTES = 16
"""What a protocol takes besides its name and its data."""


def size_of(protocols: Iterable[GroupProtocol]) -> int:
    """Return about how many bytes protocols take where groups are kept."""
    return sum(len(name) + len(metadata) + _OVERHEAD_BYTES for name, metadata in protocols)


class JoinRequest(NamedTuple):
    """A client wants to become, or stay, a member of a group."""

    group_id: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[GroupProtocol, ...]
    """In the order of the member's preference; each name once."""
    member_id: str = UNKNOWN_MEMBER_ID
    group_instance_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    requires_known_member_id: bool = True
    """Whether a new client must come again with the id it is given (KIP-394)."""
    supports_skip_assignment: bool = True
    """Whether a leader understands that nothing has to be assigned (KIP-814)."""
    reason: str = ""
    """Why the client joins, in its own words (KIP-800)."""
    connection: object | None = None
    """What stands for the client's connection; see ``GroupConnections``."""


class JoinedMember(NamedTuple):
    """Member as the leader learns of it."""

    member_id: str
    group_instance_id: str | None
    metadata: bytes


class JoinResult(NamedTuple):
    """The answer to a :class:`JoinRequest`."""

    error: ErrorCode = ErrorCode.NONE
    member_id: str = UNKNOWN_MEMBER_ID
    generation_id: int = -1
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = ""
    skip_assignment: bool = False
    members: tuple[JoinedMember, ...] = ()
    """Only the leader gets them."""


class SyncRequest(NamedTuple):
    """A member asks for its assignment; the leader brings everybody's."""

    group_id: str
    member_id: str
    generation_id: int
    group_instance_id: str | None = None
    protocol_type: str | None = None
    """Checked against the group's unless ``None``."""
    protocol_name: str | None = None
    """Checked against the group's unless ``None``."""
    assignments: tuple[tuple[str, bytes], ...] = ()
    """By member id."""


class SyncResult(NamedTuple):
    """The answer to a :class:`SyncRequest`."""

    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerHeartbeat:
    """A member of a consumer group joins, stays or leaves; what is ``None`` has not changed."""

    group_id: str
    member_id: str
    member_epoch: int
    """0 joins, -1 leaves, -2 leaves for a while (static members)."""
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    topics: frozenset[str] | None = None
    regex: str | None = None
    assignor: str | None = None
    owned: frozenset[TopicIdPartition] | None = None
    client_id: str = ""
    client_host: str = ""
    brings_member_id: bool = True
    """Whether clients make up their own member ids (KIP-1082)."""
    sees: Callable[[str], bool] = field(default=lambda _: True, compare=False)
    """Tells whether the client may know of a topic."""
    connection: object | None = None
    """What stands for the client's connection; see ``GroupConnections``."""

    @property
    def is_full(self) -> bool:
        """Whether the client says all it has to say, so that it wants to hear all, too."""
        says_topics = self.topics is not None or self.regex is not None
        return self.rebalance_timeout_ms != -1 and says_topics and self.owned is not None


class HeartbeatResult(NamedTuple):
    """The answer to a :class:`ConsumerHeartbeat`."""

    error: ErrorCode = ErrorCode.NONE
    message: str | None = None
    member_id: str | None = None
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    assignment: frozenset[TopicIdPartition] | None = None
    """``None`` if it has not changed."""
    topics: frozenset[str] | None = None
    """What the member reads; ``None`` if it has not said."""

    @classmethod
    def refused(cls, error: ErrorCode, message: str | None) -> HeartbeatResult:
        """Return what is said to a client that is not let in."""
        return cls(error=error, message=message)


class LeavingMember(NamedTuple):
    """Member that is to leave: a member id, or an instance id alone (KIP-345)."""

    member_id: str
    group_instance_id: str | None = None
    reason: str = ""


class PartitionOffset(NamedTuple):
    """An offset that a consumer wants to be kept."""

    topic: str
    partition: int
    offset: int
    leader_epoch: int = -1
    metadata: str = ""


class OffsetCommit(NamedTuple):
    """Offsets that are to be kept for a group.

    A consumer that assigns its partitions itself, or an administrator, leaves out the
    member: generation -1, no ids.
    """

    group_id: str
    offsets: list[PartitionOffset]
    member_id: str = UNKNOWN_MEMBER_ID
    group_instance_id: str | None = None
    generation_id: int = -1
    """Or the member epoch, in a consumer group."""
    knows_member_epochs: bool = True
    """Whether the client's version of OffsetCommit has member epochs (KIP-848)."""
    retention_ms: int | None = None
    """How many milliseconds the offsets are kept; ``None`` for offsets.retention.minutes."""
    transactional: bool = False
    """Whether a transaction commits them; then it need not be a member who asks (KIP-447)."""
