"""Random requests about groups and transactions that are alive, beside a real Kafka.

Epochs of before and after, ids of others, what is not there, nothing, and the same twice: what a
client sends that is wrong, or not the one that it says it is. Both sides get the same requests.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from fakebus.kafka.served import SERVED
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.types import ZERO_UUID
from tests.differential.group_cases import Member, new_group, share_out, subscription
from tests.differential.machines import TIMEOUT, Operations, compare, machine
from tests.differential.sides import Side, Sides, attempts
from tests.differential.test_wire_odd_requests import error_codes, in_order
from tests.differential.transaction_cases import BUSY, TransactionalProducer

pytestmark = [pytest.mark.kafka, TIMEOUT]

UNKNOWN_ID = uuid.UUID(int=7)
BUSY_CODES = {each.code for each in BUSY}


class Live(str):
    """Name of a value that each side has its own of."""

    __slots__ = ()


class Scene:
    """Two topics, a classic and a consumer group with two members each, and two producers."""

    def __init__(self, side: Side) -> None:
        self.side = side
        topics = [side.new_topic(2) for _ in range(2)]
        # It is one that all scenes have in common.
        side.call(ApiKey.DELETE_GROUPS, 2, m.DeleteGroupsRequest(groups_names=[""]))
        classic, consumers, nobody, producers = (new_group(side) for _ in range(4))
        self.pair = [self._member(classic, topics[0], fields) for fields in ({}, STATIC)]
        self._gather()
        self.producers = [TransactionalProducer(side, version) for version in (1, 2)]
        self.values: dict[str, Any] = {
            **{f"topic {n}": name for n, name in enumerate(topics)},
            **{f"id {n}": side.topic_id(name) for n, name in enumerate(topics)},
            **{"classic": classic, "consumers": consumers, "nobody": nobody, "offsets": producers},
            **{"leader": self.pair[0].member_id, "follower": self.pair[1].member_id},
            "generation": self.pair[0].generation,
            "no transactions": uuid.uuid4().hex,
        }
        for number, producer in enumerate(self.producers):
            side.name(producer.name, "transactional id")
            producer.init()
            self._know(number)
        for name in CONSUMERS:
            fields = {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": topics[:1]}
            self.values[f"epoch of {name}"] = 0
            self.ask(
                "CONSUMER_GROUP_HEARTBEAT",
                1,
                (
                    "ConsumerGroupHeartbeatRequest",
                    {
                        **{"group_id": Live("consumers"), "member_id": name, "member_epoch": 0},
                        **{"topic_partitions": []},
                        **fields,
                    },
                ),
            )

    def _member(self, group: str, topic: str, fields: dict[str, Any]) -> Member:
        reads = (("range", subscription(topic)),)
        timeouts = {"session_timeout_ms": 45_000, "rebalance_timeout_ms": 60_000}
        return Member(self.side, group, 5, reads, **timeouts, **fields)

    def _gather(self) -> None:
        leader, follower = self.pair
        leader.enter()
        follower.send_join()
        for _ in attempts():
            if leader.heartbeat()["error_code"]:
                break
        leader.send_join()
        leader.receive_join()
        follower.receive_join()
        share_out(leader, follower)

    def _know(self, number: int) -> None:
        producer = self.producers[number]
        self.values |= {
            f"transactions {number}": producer.name,
            f"producer {number}": producer.producer_id,
            f"epoch {number}": producer.epoch,
        }

    def resolve(self, value: Any) -> Any:
        """Return a value or a message of this side."""
        if isinstance(value, Live):
            name, _, change = value.partition("|")
            return self.values[name] + int(change) if change else self.values[name]
        if isinstance(value, list):
            return [self.resolve(each) for each in value]
        if isinstance(value, tuple):
            name, fields = value
            return getattr(m, name)(**{key: self.resolve(each) for key, each in fields.items()})
        return value

    def ask(self, api: str, version: int, request: Any) -> Any:
        asked = self.resolve(request)
        for _ in attempts():
            answer = self.side.call(ApiKey[api], version, asked)
            told = self.side.plain(answer)
            if not set(error_codes(told)) & BUSY_CODES:
                break
        self._note(api, asked, answer)
        for rows in ("topics", "results_by_topic_v3_and_below"):
            if api in ANSWERED_BY_TOPIC and rows in told:
                told[rows] = _merged(told[rows])
        return in_order(told)

    def _note(self, api: str, asked: Any, answer: Any) -> None:
        """Take over what the client would that has been answered."""
        if getattr(answer, "error_code", None) != 0:
            return
        if api == "CONSUMER_GROUP_HEARTBEAT" and f"epoch of {asked.member_id}" in self.values:
            self.values[f"epoch of {asked.member_id}"] = max(answer.member_epoch, 0)
        if api in ("INIT_PRODUCER_ID", "END_TXN"):
            for number, producer in enumerate(self.producers):
                if producer.name == asked.transactional_id:
                    if answer.producer_epoch >= 0:
                        producer.producer_id = answer.producer_id
                        producer.epoch = answer.producer_epoch
                    self._know(number)
                    # Kafka answers before the markers are written.
                    producer.describe()

    def close(self) -> None:
        for each in self.pair:
            each.close()


def _merged(rows: list[Any]) -> list[Any]:
    """Return a row for each topic that has partitions, and each of them once.

    So does Kafka with some, such as those that it refuses before it has asked the coordinator.
    """
    merged: dict[Any, list[Any]] = {}
    for row in rows:
        key = "partitions" if "partitions" in row else "results_by_partition"
        known = merged.setdefault((row["name"], row.get("topic_id")), [])
        known.extend(each for each in row[key] if each not in known)
    return [[*topic, *partitions] for topic, partitions in merged.items() if partitions]


ANSWERED_BY_TOPIC = ("OFFSET_COMMIT", "OFFSET_DELETE", "TXN_OFFSET_COMMIT", "ADD_PARTITIONS_TO_TXN")
STATIC = {"group_instance_id": "static"}
CONSUMERS = ("a", "b")
# --- what requests are made of --------------------------------------------------------------------

lives = lambda *names: [Live(name) for name in names]  # noqa: E731 - a short word for much used
GROUPS = st.sampled_from([*lives("classic", "consumers", "consumers", "offsets", "nobody"), ""])
CLASSIC_MEMBERS = st.sampled_from([*lives("leader", "leader", "follower"), "", "nobody"])
MEMBERS = st.sampled_from([*lives("leader", "follower"), "a", "b", "a", "", "nobody"])
EPOCHS = st.sampled_from(
    [
        *lives("generation", "generation|1", "generation|-1", "epoch of a", "epoch of b"),
        *(Live("epoch of a|1"), Live("epoch of a|-1"), -1, -1, 0, -2, -3),
    ]
)
INSTANCES = st.sampled_from([None, None, None, "static", "other", ""])
INDEXES = st.lists(st.sampled_from([0, 0, 1, 1, 2, -1]), max_size=3)
DIFFERENT_INDEXES = st.lists(st.sampled_from([0, 1, 2, -1]), max_size=3, unique=True)
"""Where the answer tells a partition once, however often it is asked of."""
DIFFERENT_GROUPS = st.lists(GROUPS, max_size=3, unique=True)
NAMES = st.sampled_from([*lives("topic 0", "topic 0", "topic 1"), "not-there", ""])
IDS = st.sampled_from([*lives("id 0", "id 0", "id 1"), ZERO_UUID, UNKNOWN_ID])
OFFSETS = st.sampled_from([0, 3, 5, -1, -2, 1 << 40])
TRANSACTIONS = st.sampled_from(
    [*lives(*["transactions 0", "transactions 1"] * 2, "no transactions"), ""]
)
PRODUCERS = st.sampled_from([*lives(*["producer 0", "producer 1"] * 2), -1, 1 << 40])
PRODUCER_EPOCHS = st.sampled_from(
    [
        *lives(*["epoch 0", "epoch 1"] * 3, "epoch 0|1", "epoch 1|-1"),
        *(-1, 32_767),
    ]
)
METADATA = st.sampled_from([None, "", "m", "m" * 4097])


def node(name: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return messages of a kind with these fields."""
    return st.tuples(st.just(name), st.fixed_dictionaries(fields))


def rows(name: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(node(name, **fields), max_size=3)


def requests(
    api: ApiKey, oldest: int = 0, newest: int = 99, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """Return requests of an API, in all versions or those that have these fields."""
    served = SERVED[api]
    versions = range(max(served.min_version, oldest), min(served.max_version, newest) + 1)
    name = "".join(word.capitalize() for word in api.name.split("_")) + "Request"
    return st.tuples(st.just(api.name), st.sampled_from(versions), node(name, **fields))


def offsets(prefix: str) -> st.SearchStrategy[Any]:
    partitions = rows(
        f"{prefix}RequestPartition",
        partition_index=st.sampled_from([0, 0, 1, 2, -1]),
        committed_offset=OFFSETS,
        committed_leader_epoch=st.sampled_from([-1, -1, 0, 5]),
        committed_metadata=METADATA,
    )
    named = {"name": NAMES} | ({"topic_id": IDS} if prefix == "OffsetCommit" else {})
    return rows(f"{prefix}RequestTopic", **named, partitions=partitions)


ADDED = rows("AddPartitionsToTxnTopic", name=NAMES, partitions=INDEXES)
FETCHED_BY_GROUP = st.lists(
    node(
        "OffsetFetchRequestGroup",
        group_id=GROUPS,
        # Without one, but with an epoch, Kafka fails.
        member_id=MEMBERS,
        member_epoch=EPOCHS,
        topics=st.one_of(
            st.none(),
            rows(
                "OffsetFetchRequestTopics",
                name=NAMES,
                topic_id=IDS,
                partition_indexes=DIFFERENT_INDEXES,
            ),
        ),
    ),
    max_size=3,
    unique_by=lambda each: each[1]["group_id"],
)
GROUP_REQUESTS = [
    requests(
        ApiKey.OFFSET_COMMIT,
        group_id=GROUPS,
        generation_id_or_member_epoch=EPOCHS,
        member_id=MEMBERS,
        group_instance_id=INSTANCES,
        topics=offsets("OffsetCommit"),
    ),
    requests(
        ApiKey.OFFSET_FETCH,
        newest=7,
        group_id=GROUPS,
        topics=rows("OffsetFetchRequestTopic", name=NAMES, partition_indexes=DIFFERENT_INDEXES),
        require_stable=st.booleans(),
    ),
    requests(ApiKey.OFFSET_FETCH, 8, groups=FETCHED_BY_GROUP, require_stable=st.booleans()),
    requests(
        ApiKey.OFFSET_DELETE,
        group_id=GROUPS,
        topics=rows(
            "OffsetDeleteRequestTopic",
            name=NAMES,
            partitions=rows(
                "OffsetDeleteRequestPartition", partition_index=st.sampled_from([0, 0, 1, 2, -1])
            ),
        ),
    ),
    requests(
        ApiKey.HEARTBEAT,
        group_id=GROUPS,
        generation_id=EPOCHS,
        member_id=MEMBERS,
        group_instance_id=INSTANCES,
    ),
    requests(
        ApiKey.SYNC_GROUP,
        group_id=GROUPS,
        generation_id=EPOCHS,
        member_id=CLASSIC_MEMBERS,
        group_instance_id=INSTANCES,
        protocol_type=st.sampled_from([None, "consumer", "other", ""]),
        protocol_name=st.sampled_from([None, "range", "other"]),
    ),
    requests(
        ApiKey.LEAVE_GROUP,
        3,
        group_id=GROUPS,
        members=rows("MemberIdentity", member_id=MEMBERS, group_instance_id=INSTANCES),
    ),
    requests(ApiKey.LEAVE_GROUP, newest=2, group_id=GROUPS, member_id=MEMBERS),
    requests(
        ApiKey.CONSUMER_GROUP_HEARTBEAT,
        1,
        group_id=st.sampled_from([*lives(*["consumers"] * 4, "offsets", "classic"), ""]),
        member_id=st.sampled_from(["a", "a", "b", "c", ""]),
        member_epoch=st.sampled_from(
            [
                *lives(*["epoch of a"] * 3, "epoch of b", "epoch of a|1", "epoch of a|-1"),
                *(0, 0, -1, -2, -3),
            ]
        ),
        instance_id=st.sampled_from([None, None, None, "i", ""]),
        rebalance_timeout_ms=st.sampled_from([60_000, 60_000, -1]),
        subscribed_topic_names=st.sampled_from(
            [None, lives("topic 0"), lives("topic 0", "topic 1"), [], lives("topic 0", "topic 0")]
        ),
        server_assignor=st.sampled_from([None, None, "range", "uniform", "other"]),
        topic_partitions=st.one_of(
            st.none(),
            st.just([]),
            rows("ConsumerGroupHeartbeatRequestTopicPartitions", topic_id=IDS, partitions=INDEXES),
        ),
    ),
    requests(
        ApiKey.DESCRIBE_GROUPS,
        groups=st.lists(
            st.sampled_from(lives("offsets", "nobody", "consumers")), max_size=3, unique=True
        ),
        include_authorized_operations=st.booleans(),
    ),
    requests(
        ApiKey.CONSUMER_GROUP_DESCRIBE,
        group_ids=DIFFERENT_GROUPS,
        include_authorized_operations=st.booleans(),
    ),
    requests(ApiKey.DELETE_GROUPS, groups_names=st.lists(GROUPS, max_size=3)),
]
TRANSACTION_REQUESTS = [
    requests(
        ApiKey.INIT_PRODUCER_ID,
        newest=5,
        transactional_id=TRANSACTIONS,
        transaction_timeout_ms=st.sampled_from([60_000, 60_000, 0]),
        producer_id=PRODUCERS,
        producer_epoch=PRODUCER_EPOCHS,
    ),
    *[
        requests(
            ApiKey.ADD_PARTITIONS_TO_TXN,
            newest=3,
            v3_and_below_transactional_id=TRANSACTIONS,
            v3_and_below_producer_id=PRODUCERS,
            v3_and_below_producer_epoch=PRODUCER_EPOCHS,
            v3_and_below_topics=ADDED,
        )
    ]
    * 2,
    requests(
        ApiKey.ADD_OFFSETS_TO_TXN,
        transactional_id=TRANSACTIONS,
        producer_id=PRODUCERS,
        producer_epoch=PRODUCER_EPOCHS,
        group_id=GROUPS,
    ),
    *[
        requests(
            ApiKey.TXN_OFFSET_COMMIT,
            transactional_id=TRANSACTIONS.filter(bool),
            group_id=GROUPS,
            producer_id=PRODUCERS,
            producer_epoch=PRODUCER_EPOCHS,
            generation_id=EPOCHS,
            member_id=MEMBERS,
            group_instance_id=INSTANCES,
            topics=offsets("TxnOffsetCommit"),
        )
    ]
    * 2,
    requests(
        ApiKey.END_TXN,
        transactional_id=TRANSACTIONS,
        producer_id=PRODUCERS,
        producer_epoch=PRODUCER_EPOCHS,
        committed=st.booleans(),
    ),
]


def play(sides: Sides, operations: Operations) -> None:
    def scenario(side: Side) -> Any:
        scene = Scene(side)
        try:
            return [(each[:2], scene.ask(*each)) for each in operations]
        finally:
            scene.close()

    compare(sides, scenario)


# A member becomes a static one, and says nothing new.
@example(
    operations=[
        (
            "CONSUMER_GROUP_HEARTBEAT",
            1,
            (
                "ConsumerGroupHeartbeatRequest",
                {
                    **{"group_id": Live("consumers"), "member_id": "b", "member_epoch": 0},
                    **{"instance_id": "i", "rebalance_timeout_ms": 60_000},
                    **{"subscribed_topic_names": lives("topic 0"), "topic_partitions": []},
                },
            ),
        ),
        (
            "CONSUMER_GROUP_DESCRIBE",
            1,
            ("ConsumerGroupDescribeRequest", {"group_ids": lives("consumers")}),
        ),
    ]
)
@machine(*GROUP_REQUESTS)
def test_groups(sides: Sides, operations: Operations) -> None:
    play(sides, operations)


@machine(*TRANSACTION_REQUESTS, GROUP_REQUESTS[0], GROUP_REQUESTS[2])
def test_transactions(sides: Sides, operations: Operations) -> None:
    play(sides, operations)
