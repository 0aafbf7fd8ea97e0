"""Consumers that speak through the handlers, as their libraries do on the wire."""

from __future__ import annotations

import asyncio
from typing import Any

from fakebus.broker.broker import Broker
from fakebus.kafka.api import ClientConnection, Handler, PendingResponse
from fakebus.kafka.handlers.join_group import handle_join_group
from fakebus.kafka.handlers.offset_commit import handle_offset_commit
from fakebus.kafka.handlers.sync_group import handle_sync_group
from fakebus.protocol.messages import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    SyncGroupRequest,
    SyncGroupRequestAssignment,
)
from fakebus.types import ZERO_UUID
from tests.unit.kafka.handlers.calling import call

SUBSCRIPTION = b"\0\0\0\0\0\1\0\1t\xff\xff\xff\xff"
"""Version 0 of the consumer protocol: topic ``t``."""


def join_request(member_id: str = "", **fields: Any) -> JoinGroupRequest:
    request: dict[str, Any] = {
        "group_id": "g",
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 60_000,
        "member_id": member_id,
        "protocol_type": "consumer",
        "protocols": [JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)],
    }
    return JoinGroupRequest(**(request | fields))


def sync_request(joined: Any, assignment: bytes | None = None, **fields: Any) -> SyncGroupRequest:
    assignments = []
    if assignment is not None:
        assignments = [
            SyncGroupRequestAssignment(member_id=joined.member_id, assignment=assignment)
        ]
    request: dict[str, Any] = {
        "group_id": "g",
        "generation_id": joined.generation_id,
        "member_id": joined.member_id,
        "protocol_type": "consumer",
        "protocol_name": "range",
        "assignments": assignments,
    }
    return SyncGroupRequest(**(request | fields))


async def stable_member(
    broker: Broker, connection: ClientConnection | None = None, **fields: Any
) -> Any:
    """Make a group of one; return its answer to JoinGroup. It is assigned ``b"A"``."""
    joined = await call(
        handle_join_group, join_request(**fields), broker, version=3, connection=connection
    )
    assert joined.error_code == 0
    synced = await call(handle_sync_group, sync_request(joined, b"A"), broker, version=3)
    assert synced.error_code == 0
    return joined


def awaiting(handler: Handler) -> Handler:
    """Return a handler whose pending response can be awaited."""

    def function(request: Any, context: Any) -> asyncio.Future[Any]:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        pending = handler.function(request, context)
        assert isinstance(pending, PendingResponse)
        pending.when_settled(answered.set_result)
        return answered

    return handler._replace(function=function)


async def commit(
    broker: Broker,
    *partitions: OffsetCommitRequestPartition,
    version: int = 9,
    topic: str = "t",
    topic_id: Any = ZERO_UUID,
    **fields: Any,
) -> Any:
    """Commit offsets, 5 for partition 0 if none are given; return the response."""
    default = [OffsetCommitRequestPartition(partition_index=0, committed_offset=5)]
    request: dict[str, Any] = {
        "group_id": "g",
        "topics": [
            OffsetCommitRequestTopic(
                name=topic, topic_id=topic_id, partitions=list(partitions) or default
            )
        ],
    }
    return await call(
        awaiting(handle_offset_commit),
        OffsetCommitRequest(**(request | fields)),
        broker,
        version=version,
    )
