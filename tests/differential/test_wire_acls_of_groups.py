"""What a client is answered that may not use a transactional id or a group of the new protocols."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from fakebus.errors import ErrorCode
from fakebus.kafka.served import SERVED
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Side, Sides, attempts
from tests.differential.test_wire_acls import (
    OPEN,
    SHUT,
    LoggedInSide,
    guarded,  # noqa: F401 - a fixture
    sorted_lists,
)

pytestmark = pytest.mark.kafka

NAMES = (OPEN, SHUT, "missing")
NOBODY = 4711
"""A producer id that nobody has."""


def _id(side: LoggedInSide, name: str) -> UUID:
    return side.topics.get(name, UUID(int=len(name)))


def _add_partitions(_: Side, transactional_id: str) -> Any:
    topics = [m.AddPartitionsToTxnTopic(name=name, partitions=[0]) for name in NAMES]
    return m.AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_producer_id=NOBODY,
        v3_and_below_producer_epoch=0,
        v3_and_below_topics=topics,
        transactions=[
            m.AddPartitionsToTxnTransaction(
                transactional_id=transactional_id,
                producer_id=NOBODY,
                producer_epoch=0,
                verify_only=True,
                topics=topics,
            )
        ],
    )


def _markers(_side: Side, _: str) -> Any:
    marker = m.WritableTxnMarker(
        producer_id=NOBODY,
        producer_epoch=0,
        transaction_result=True,
        topics=[m.WritableTxnMarkerTopic(name=name, partition_indexes=[0]) for name in NAMES],
    )
    return m.WriteTxnMarkersRequest(markers=[marker])


def _commit(_: Side, transactional_id: str, group: str) -> Any:
    place = m.TxnOffsetCommitRequestPartition(
        partition_index=0, committed_offset=0, committed_metadata=""
    )
    return m.TxnOffsetCommitRequest(
        transactional_id=transactional_id,
        group_id=group,
        producer_id=NOBODY,
        producer_epoch=0,
        topics=[m.TxnOffsetCommitRequestTopic(name=name, partitions=[place]) for name in NAMES],
    )


def _consumer(_: Side, group: str, *topics: str, **more: Any) -> Any:
    return m.ConsumerGroupHeartbeatRequest(
        group_id=group,
        member_id="m",
        member_epoch=more.pop("member_epoch", 0),
        rebalance_timeout_ms=60_000,
        subscribed_topic_names=list(topics),
        topic_partitions=[],
        **more,
    )


def _share(_: Side, group: str, *topics: str, member_epoch: int = 0) -> Any:
    return m.ShareGroupHeartbeatRequest(
        group_id=group, member_id="m", member_epoch=member_epoch, subscribed_topic_names=[*topics]
    )


def _share_fetch(side: LoggedInSide, group: str) -> Any:
    return m.ShareFetchRequest(
        group_id=group,
        member_id="AAAAAAAAAAAAAAAAAAAAAQ",
        share_session_epoch=0,
        max_bytes=1000,
        max_records=10,
        batch_size=10,
        topics=[
            m.ShareFetchRequestFetchTopic(
                topic_id=_id(side, name),
                partitions=[m.ShareFetchRequestFetchPartition(partition_index=0)],
            )
            for name in NAMES[:2]
        ],
    )


def _acknowledge(side: LoggedInSide, group: str) -> Any:
    batches = [m.AcknowledgementBatch(first_offset=0, last_offset=0, acknowledge_types=[1])]
    return m.ShareAcknowledgeRequest(
        group_id=group,
        member_id="AAAAAAAAAAAAAAAAAAAAAQ",
        share_session_epoch=1,
        topics=[
            m.AcknowledgeTopic(
                topic_id=_id(side, name),
                partitions=[
                    m.AcknowledgePartition(partition_index=0, acknowledgement_batches=batches)
                ],
            )
            for name in NAMES[:2]
        ],
    )


def _streams(_: Side, group: str, source: str, **more: Any) -> Any:
    topology = m.StreamsGroupHeartbeatRequestTopology(
        epoch=0,
        subtopologies=[
            m.StreamsGroupHeartbeatRequestSubtopology(
                subtopology_id="0",
                source_topics=[source],
                repartition_source_topics=[
                    m.TopicInfo(name=f"{group}-again", partitions=1, replication_factor=1)
                ]
                * more.pop("repartitions", 0),
            )
        ],
    )
    return m.StreamsGroupHeartbeatRequest(
        group_id=group,
        member_id="m",
        member_epoch=more.pop("member_epoch", 0),
        rebalance_timeout_ms=60_000,
        topology=topology,
        active_tasks=[],
        standby_tasks=[],
        warmup_tasks=[],
        process_id="p",
        client_tags=[],
        **more,
    )


def _share_offsets(_: Side, group: str) -> Any:
    place = m.AlterShareGroupOffsetsRequestPartition(partition_index=0, start_offset=0)
    topic = m.AlterShareGroupOffsetsRequestTopic
    topics = [topic(topic_name=name, partitions=[place]) for name in NAMES]
    return m.AlterShareGroupOffsetsRequest(group_id=group, topics=topics)


def _deleted_offsets(_: Side, group: str) -> Any:
    topics = [m.DeleteShareGroupOffsetsRequestTopic(topic_name=name) for name in NAMES]
    return m.DeleteShareGroupOffsetsRequest(group_id=group, topics=topics)


def _described_offsets(_: Side, *groups: str) -> Any:
    topics = [
        m.DescribeShareGroupOffsetsRequestTopic(topic_name=name, partitions=[0])
        for name in NAMES[:2]
    ]
    return m.DescribeShareGroupOffsetsRequest(
        groups=[
            m.DescribeShareGroupOffsetsRequestGroup(group_id=group, topics=topics)
            for group in groups
        ]
    )


def _described(kind: Any, *groups: str) -> Any:
    return kind(group_ids=[*groups], include_authorized_operations=True)


def _scram(_: Side) -> Any:
    new = m.ScramCredentialUpsertion(
        name="u", mechanism=1, iterations=4096, salt=b"salt", salted_password=b"p" * 32
    )
    gone = m.ScramCredentialDeletion(name="v", mechanism=1)
    return m.AlterUserScramCredentialsRequest(deletions=[gone], upsertions=[new])


def _end(_: Side, transactional_id: str) -> Any:
    return m.EndTxnRequest(
        transactional_id=transactional_id, producer_id=NOBODY, producer_epoch=0, committed=True
    )


def _add_offsets(_: Side, transactional_id: str, group: str) -> Any:
    return m.AddOffsetsToTxnRequest(
        transactional_id=transactional_id, producer_id=NOBODY, producer_epoch=0, group_id=group
    )


# The API, what makes its request, and with what. Nobody becomes a member: what is refused is asked.
ASKED: list[tuple[ApiKey, Any, tuple[str, ...]]] = [
    *((ApiKey.ADD_PARTITIONS_TO_TXN, _add_partitions, (name,)) for name in NAMES[:2]),
    *((ApiKey.ADD_OFFSETS_TO_TXN, _add_offsets, (a, b)) for a in NAMES[:2] for b in NAMES[:2]),
    *((ApiKey.END_TXN, _end, (name,)) for name in NAMES[:2]),
    *((ApiKey.TXN_OFFSET_COMMIT, _commit, (a, b)) for a in NAMES[:2] for b in NAMES[:2]),
    (ApiKey.WRITE_TXN_MARKERS, _markers, ("",)),
    (ApiKey.CONSUMER_GROUP_HEARTBEAT, _consumer, (SHUT, OPEN)),
    (ApiKey.CONSUMER_GROUP_HEARTBEAT, _consumer, (OPEN, SHUT)),
    (ApiKey.CONSUMER_GROUP_HEARTBEAT, _consumer, (OPEN, OPEN, "missing")),
    (ApiKey.SHARE_GROUP_HEARTBEAT, _share, (SHUT, OPEN)),
    (ApiKey.SHARE_GROUP_HEARTBEAT, _share, (OPEN, SHUT)),
    (ApiKey.SHARE_GROUP_HEARTBEAT, _share, (OPEN, OPEN, "missing")),
    (ApiKey.STREAMS_GROUP_HEARTBEAT, _streams, (SHUT, OPEN)),
    (ApiKey.STREAMS_GROUP_HEARTBEAT, _streams, (OPEN, SHUT)),
    (ApiKey.STREAMS_GROUP_HEARTBEAT, _streams, (OPEN, "missing")),
    (ApiKey.SHARE_FETCH, _share_fetch, (SHUT,)),
    (ApiKey.SHARE_ACKNOWLEDGE, _acknowledge, (SHUT,)),
    (ApiKey.SHARE_ACKNOWLEDGE, _acknowledge, (OPEN,)),
    *(
        (api, lambda side, *groups, kind=kind: _described(kind, *groups), NAMES)
        for api, kind in (
            (ApiKey.CONSUMER_GROUP_DESCRIBE, m.ConsumerGroupDescribeRequest),
            (ApiKey.STREAMS_GROUP_DESCRIBE, m.StreamsGroupDescribeRequest),
        )
    ),
    (
        ApiKey.SHARE_GROUP_DESCRIBE,
        lambda side, *groups: _described(m.ShareGroupDescribeRequest, *groups),
        NAMES[1:],
    ),
    (ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, _described_offsets, (SHUT,)),
    (ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, _described_offsets, (OPEN,)),
    *((ApiKey.ALTER_SHARE_GROUP_OFFSETS, _share_offsets, (name,)) for name in NAMES[:2]),
    *((ApiKey.DELETE_SHARE_GROUP_OFFSETS, _deleted_offsets, (name,)) for name in NAMES[:2]),
    (ApiKey.ALTER_USER_SCRAM_CREDENTIALS, _scram, ()),
]
CASES = [
    pytest.param(api, version, make, values, id=" ".join([api.name, str(version), *values]))
    for api, make, values in ASKED
    for version in range(SERVED[api].min_version, SERVED[api].max_version + 1)
]


@pytest.fixture(scope="module")
def coordinated(guarded: dict[str, Sides]) -> dict[str, Sides]:  # noqa: F811
    """Both brokers, with coordinators of transactions: Kafka makes them when it is first asked."""
    for side in (guarded["super"].kafka, guarded["super"].bus):
        asked = m.FindCoordinatorRequest(key=OPEN, key_type=1)
        for _ in attempts():
            if side.call(ApiKey.FIND_COORDINATOR, 3, asked).error_code == 0:
                ended = side.call(ApiKey.END_TXN, 3, _end(side, OPEN))
                if ended.error_code == ErrorCode.INVALID_PRODUCER_ID_MAPPING.code:
                    break
        side.disconnect()
    return guarded


@pytest.mark.parametrize("user", ["alice", "eve"])
@pytest.mark.parametrize(("api", "version", "make", "values"), CASES)
def test_what_a_client_may_not_do_in_transactions_and_groups(
    coordinated: dict[str, Sides],
    user: str,
    api: ApiKey,
    version: int,
    make: Any,
    values: tuple[str, ...],
) -> None:
    def scenario(side: Any) -> Any:
        for name, topic_id in side.topics.items():
            side.name(topic_id, f"id of {name}")
        answer = side.ask(api, version, make(side, *values))
        # See docs/referee.md: one side alone explains, or tells ids.
        if api is ApiKey.SHARE_ACKNOWLEDGE:
            answer.pop("error_message", None)
        for topic in answer.get("responses", ()) if api is ApiKey.ALTER_SHARE_GROUP_OFFSETS else ():
            topic.pop("topic_id")
        return sorted_lists(answer)

    coordinated[user].compare(scenario)
