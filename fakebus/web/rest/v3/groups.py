"""Consumer groups, their members, and how far they are behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fakebus.broker.groups.group import CLASSIC, GroupDescription, MemberDescription
from fakebus.broker.nodes import KEPT_IN
from fakebus.broker.turns import in_turns
from fakebus.types import TopicPartition
from fakebus.web.errors import RequestError
from fakebus.web.rest.v3.call import Resource, V3Call

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


async def list_groups(call: V3Call) -> object:
    """List the consumer groups."""
    groups = call.bus.broker.group_coordinator.list_groups()
    found = (_group(call, each) for each in sorted(groups, key=lambda each: each.group_id))
    return call.collection("ConsumerGroup", ("consumer-groups",), found)


async def read_group(call: V3Call) -> object:
    """Tell the state of a consumer group."""
    return _group(call, call.group())


def _group(call: V3Call, group: GroupDescription) -> Resource:
    path = ("consumer-groups", group.group_id)
    is_classic = group.group_type == CLASSIC
    coordinator = call.bus.broker.nodes.coordinator(KEPT_IN["GROUP"], group.group_id)
    fields = {
        "consumer_group_id": group.group_id,
        "is_simple": is_classic and not group.protocol_type,
        "partition_assignor": group.protocol_name,
        "state": _WORD.sub("_", group.state).upper(),
        "type": group.group_type.upper(),
        "is_mixed_consumer_group": not is_classic
        and len({each.modern is not None and each.modern.is_classic for each in group.members}) > 1,
        "coordinator": call.related("brokers", coordinator),
        "consumers": call.related(*path, "consumers"),
        "lag_summary": call.related(*path, "lag-summary"),
    }
    return call.resource("ConsumerGroup", path, fields)


async def list_consumers(call: V3Call) -> object:
    """List the members of a consumer group."""
    group = call.group()
    found = (_consumer(call, group, each) for each in group.members)
    return call.collection("Consumer", ("consumer-groups", group.group_id, "consumers"), found)


async def read_consumer(call: V3Call) -> object:
    """Tell who a member of a consumer group is."""
    return _consumer(call, call.group(), _member(call))


def _member(call: V3Call) -> MemberDescription:
    for each in call.group().members:
        if each.member_id == call.path("member"):
            return each
    raise RequestError(404, f"Consumer {call.path('member')[:300]} cannot be found.")


def _consumer(call: V3Call, group: GroupDescription, member: MemberDescription) -> Resource:
    path = ("consumer-groups", group.group_id, "consumers", member.member_id)
    fields = {
        "consumer_group_id": group.group_id,
        "consumer_id": member.member_id,
        "instance_id": member.group_instance_id,
        "client_id": member.client_id,
        "assignments": call.related(*path, "assignments"),
    }
    return call.resource("Consumer", path, fields)


async def list_assignments(call: V3Call) -> object:
    """List the partitions that a member of a consumer group reads."""
    group, member = call.group(), _member(call)
    path = ("consumer-groups", group.group_id, "consumers", member.member_id, "assignments")
    found = (_assignment(call, member, each) for each in sorted(member.partitions))
    return call.collection("ConsumerAssignment", path, found)


async def read_assignment(call: V3Call) -> object:
    """Tell about a partition that a member of a consumer group reads."""
    member, place = _member(call), call.log().topic_partition
    if place not in member.partitions:
        raise RequestError(404, f"{place} is not read by this consumer.")
    return _assignment(call, member, place)


def _assignment(call: V3Call, member: MemberDescription, place: TopicPartition) -> Resource:
    group, (topic, partition) = call.path("group"), place
    path = ("consumers", member.member_id, "assignments", topic, "partitions", partition)
    fields = {
        "consumer_group_id": group,
        "consumer_id": member.member_id,
        "topic_name": topic,
        "partition_id": partition,
        "partition": call.related("topics", topic, "partitions", partition),
        "lag": call.related("consumer-groups", group, "lags", topic, "partitions", partition),
    }
    return call.resource("ConsumerAssignment", ("consumer-groups", group, *path), fields)


async def list_lags(call: V3Call) -> object:
    """List how far a consumer group is behind, by partition."""
    path = ("consumer-groups", call.group().group_id, "lags")
    return call.collection("ConsumerLag", path, _lags(call))


async def read_lag(call: V3Call) -> object:
    """Tell how far a consumer group is behind in a partition."""
    call.group()
    topic, partition = call.log().topic_partition
    async for each in in_turns(_lags(call)):
        if (each["topic_name"], each["partition_id"]) == (topic, partition):
            return each
    raise RequestError(404, f"The group has committed nothing for {topic}-{partition}.")


async def summarize_lags(call: V3Call) -> object:
    """Tell where a consumer group is farthest behind, and how far it is in all."""
    group, lags = call.group().group_id, [each async for each in in_turns(_lags(call))]
    if not lags:
        raise RequestError(404, f"Consumer group {group[:300]} has committed nothing.")
    most = max(lags, key=lambda each: int(str(each["lag"])))
    topic, partition = most["topic_name"], most["partition_id"]
    path = ("consumer-groups", group)
    fields = {
        "consumer_group_id": group,
        "max_lag_consumer_id": most["consumer_id"],
        "max_lag_instance_id": most["instance_id"],
        "max_lag_client_id": most["client_id"],
        "max_lag_topic_name": topic,
        "max_lag_partition_id": partition,
        "max_lag": most["lag"],
        "total_lag": sum(int(str(each["lag"])) for each in lags),
        "max_lag_consumer": call.related(*path, "consumers", most["consumer_id"]),
        "max_lag_partition": call.related("topics", topic, "partitions", partition),
    }
    return call.resource("ConsumerGroupLagSummary", (*path, "lag-summary"), fields)


def _lags(call: V3Call) -> Iterator[Resource]:
    """Yield the lag of each partition that the path's group has committed."""
    group, broker = call.group(), call.bus.broker
    owners = {place: member for member in group.members for place in member.partitions}
    for place, row in sorted(broker.group_coordinator.offsets(group.group_id).items()):
        log = broker.topics.logs.get(place)
        if log is None:
            continue
        member, end = owners.get(place), log.high_watermark
        fields = {
            "consumer_group_id": group.group_id,
            "topic_name": place.topic,
            "partition_id": place.partition,
            "current_offset": row.offset,
            "log_end_offset": end,
            "lag": max(end - row.offset, 0),
            "consumer_id": member.member_id if member else "",
            "instance_id": member.group_instance_id if member else None,
            "client_id": member.client_id if member else "",
        }
        path = ("consumer-groups", group.group_id, "lags", place.topic)
        yield call.resource("ConsumerLag", (*path, "partitions", place.partition), fields)
