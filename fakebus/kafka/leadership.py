"""Who leads a partition, in answers that refuse it (KIP-951): clients need not ask for Metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fakebus.broker.topics import Topic
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext
from fakebus.protocol.messages import LeaderIdAndEpoch, NodeEndpoint

MOVED = frozenset((ErrorCode.NOT_LEADER_OR_FOLLOWER.code, ErrorCode.FENCED_LEADER_EPOCH.code))


def name_leaders(
    context: RequestContext, refused: Iterable[tuple[Topic | None, int, Any]]
) -> list[NodeEndpoint]:
    """Put the leaders into what is answered for single partitions; return where they are.

    Args:
        context: of the request.
        refused: the topic, the partition's number, and its part of the answer.
    """
    rows = []
    for topic, index, row in refused:
        log = None if topic is None else topic.partition(index)
        if topic is None or log is None or row.error_code not in MOVED:
            continue
        row.current_leader = LeaderIdAndEpoch(
            leader_id=context.placed(topic, index).leader, leader_epoch=log.leader_epoch
        )
        rows.append(row)
    return node_endpoints(context, rows)


def node_endpoints(context: RequestContext, rows: Iterable[Any]) -> list[NodeEndpoint]:
    """Return the addresses of the nodes that an answer names as leaders."""
    leaders = {row.current_leader.leader_id for row in rows} - {-1}
    return [
        NodeEndpoint(node_id=each.node_id, host=each.host, port=each.port, rack=each.rack)
        for each in context.brokers()
        if each.node_id in leaders
    ]
