"""TxnOffsetCommit 0-5.

Behaviour:
    * The offsets can be fetched when the transaction commits, and are forgotten if it aborts.
    * Partitions that do not exist are refused one by one, the others all together.

Version notes:
    2 leader epoch; 3 flexible, and the member that has read the records (KIP-447);
    4 TRANSACTION_ABORTABLE; 5 the group need not be added before (KIP-890).
"""

from __future__ import annotations

from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.broker.transactions.writing import TransactionalWrite, commit_offsets
from fakebus.errors import ErrorCode
from fakebus.kafka.api import PendingResponse, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

# What is told, as no version knows of member epochs.
_TOLD = {ErrorCode.STALE_MEMBER_EPOCH: ErrorCode.ILLEGAL_GENERATION}
_FIRST_WITH_ABORTABLE = 4
_FIRST_THAT_ADDS = 5


@handles(
    ApiKey.TXN_OFFSET_COMMIT,
    needs=("WRITE TRANSACTIONAL_ID transactional_id", "READ GROUP group_id", "READ TOPIC topics[]"),
    coordinator="GROUP group_id",
)
def handle_txn_offset_commit(
    request: TxnOffsetCommitRequest, context: RequestContext
) -> PendingResponse:
    """Keep a group's offsets for the end of a transaction; answer when they are stored."""
    answer = PendingResponse()
    topics = [
        TxnOffsetCommitResponseTopic(
            name=topic.name,
            partitions=[
                TxnOffsetCommitResponsePartition(partition_index=p.partition_index)
                for p in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    responses = [response for topic in topics for response in topic.partitions]

    def done(errors: list[ErrorCode]) -> None:
        for response, error in zip(responses, errors, strict=True):
            response.error_code = _TOLD.get(error, error).code
        answer.settle(TxnOffsetCommitResponse(topics=topics))

    abortable = context.api_version >= _FIRST_WITH_ABORTABLE
    commit_offsets(
        TransactionalWrite(
            request.transactional_id,
            context.api_version >= _FIRST_THAT_ADDS,
            ErrorCode.TRANSACTION_ABORTABLE if abortable else ErrorCode.INVALID_TXN_STATE,
            context.origin,
        ),
        ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
        OffsetCommit(
            group_id=request.group_id,
            offsets=[
                PartitionOffset(
                    topic.name,
                    p.partition_index,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    p.committed_metadata or "",
                )
                for topic in request.topics
                for p in topic.partitions
            ],
            member_id=request.member_id,
            group_instance_id=request.group_instance_id,
            generation_id=request.generation_id,
            transactional=True,
        ),
        context.broker.transactions,
        done,
    )
    return answer
