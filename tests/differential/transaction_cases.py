"""A transactional producer made of single requests, for scenarios."""

from __future__ import annotations

import uuid
from typing import Any

from fakebus.errors import ErrorCode
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
    DescribeTransactionsRequest,
    EndTxnRequest,
    FindCoordinatorRequest,
    InitProducerIdRequest,
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.differential.produce_cases import batch, produce_request
from tests.differential.sides import Side, attempts

BUSY = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.NOT_ENOUGH_REPLICAS,
)
"""What clients answer by asking again; Kafka says it when it likes."""


class TransactionalProducer:
    """Producer with a transactional id, which asks again where clients would.

    Args:
        side: the broker.
        version: the newest version of the protocol that it speaks of: 1, or 2 with KIP-890.
        transactional_id: of its own when left out.
    """

    def __init__(self, side: Side, version: int = 2, transactional_id: str | None = None) -> None:
        self.side = side
        self.name = transactional_id or f"txn-{uuid.uuid4().hex[:12]}"
        self.second = version == 2
        self.producer_id = self.epoch = -1
        self.sequence = 0
        for key_type in (0, 1):
            self.ask(
                ApiKey.FIND_COORDINATOR,
                4,
                FindCoordinatorRequest(key_type=key_type, coordinator_keys=[self.name]),
            )

    def ask(self, api: ApiKey, version: int, message: Any) -> Any:
        """Return the answer as it is, once it is another one than "later"."""
        busy = [each.code for each in BUSY]
        for _ in attempts():
            answer = self.side.call(api, version, message)
            if not {code for code in _codes(answer)} & set(busy):
                return answer
        raise AssertionError(answer)

    def init(self, version: int = 5, timeout_ms: int = 60_000, *, known: bool = False) -> Any:
        """Ask for a producer id; return the error and the epoch."""
        answer = self.ask(
            ApiKey.INIT_PRODUCER_ID,
            version,
            InitProducerIdRequest(
                transactional_id=self.name,
                transaction_timeout_ms=timeout_ms,
                producer_id=self.producer_id if known else -1,
                producer_epoch=self.epoch if known else -1,
            ),
        )
        if answer.error_code == 0:
            self.producer_id, self.epoch, self.sequence = (
                answer.producer_id,
                answer.producer_epoch,
                0,
            )
        return name(answer.error_code), answer.producer_epoch

    def add(self, topic: str, *partitions: int, version: int = 3, **fields: Any) -> Any:
        """Add partitions to the transaction; return the errors."""
        topics = [AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))]
        if version < 4:
            request = AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=self.name,
                v3_and_below_producer_id=fields.get("producer_id", self.producer_id),
                v3_and_below_producer_epoch=fields.get("epoch", self.epoch),
                v3_and_below_topics=topics,
            )
            answer = self.ask(ApiKey.ADD_PARTITIONS_TO_TXN, version, request)
            results = answer.results_by_topic_v3_and_below
        else:
            request = AddPartitionsToTxnRequest(
                transactions=[
                    AddPartitionsToTxnTransaction(
                        transactional_id=self.name,
                        producer_id=fields.get("producer_id", self.producer_id),
                        producer_epoch=fields.get("epoch", self.epoch),
                        verify_only=fields.get("verify_only", False),
                        topics=topics,
                    )
                ]
            )
            answer = self.ask(ApiKey.ADD_PARTITIONS_TO_TXN, version, request)
            results = answer.results_by_transaction[0].topic_results
        return sorted(
            (each.partition_index, name(each.partition_error_code))
            for result in results
            for each in result.results_by_partition
        )

    def add_offsets(self, group: str, version: int = 3, **fields: Any) -> Any:
        request = AddOffsetsToTxnRequest(
            transactional_id=self.name,
            producer_id=fields.get("producer_id", self.producer_id),
            producer_epoch=fields.get("epoch", self.epoch),
            group_id=group,
        )
        return name(self.ask(ApiKey.ADD_OFFSETS_TO_TXN, version, request).error_code)

    def commit_offset(
        self, group: str, topic: str, offset: int, version: int = 3, **fields: Any
    ) -> Any:
        request = TxnOffsetCommitRequest(
            transactional_id=self.name,
            group_id=group,
            producer_id=fields.pop("producer_id", self.producer_id),
            producer_epoch=fields.pop("epoch", self.epoch),
            topics=[
                TxnOffsetCommitRequestTopic(
                    name=topic,
                    partitions=[
                        TxnOffsetCommitRequestPartition(
                            partition_index=fields.pop("partition", 0),
                            committed_offset=offset,
                            committed_metadata="m",
                        )
                    ],
                )
            ],
            **fields,
        )
        answer = self.ask(ApiKey.TXN_OFFSET_COMMIT, version, request)
        return [name(p.error_code) for topic in answer.topics for p in topic.partitions]

    def produce(self, topic: str, *values: bytes, version: int | None = None, **fields: Any) -> Any:
        """Produce a batch of the transaction to partition 0; return error and offset."""
        version = version or (12 if self.second else 9)
        options = {
            "producer_id": self.producer_id,
            "producer_epoch": self.epoch,
            "base_sequence": self.sequence,
            "transactional": True,
            **fields,
        }
        request = produce_request(
            self.side,
            topic,
            batch(*values, **options),
            version=version,
            transactional_id=self.name,
        )
        answer = self.ask(ApiKey.PRODUCE, version, request)
        [response] = answer.responses[0].partition_responses
        if response.error_code == 0:
            self.sequence += len(values)
        return name(response.error_code), response.base_offset

    def end(self, *, commit: bool, version: int | None = None, **fields: Any) -> Any:
        """End the transaction; return the error and the epoch, and take it over."""
        version = version or (5 if self.second else 3)
        request = EndTxnRequest(
            transactional_id=self.name,
            producer_id=fields.get("producer_id", self.producer_id),
            producer_epoch=fields.get("epoch", self.epoch),
            committed=commit,
        )
        answer = self.ask(ApiKey.END_TXN, version, request)
        if answer.error_code == 0 and answer.producer_epoch >= 0:
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
            self.sequence = 0
        return name(answer.error_code), answer.producer_epoch

    def describe(self) -> Any:
        """Return the transaction as administrators see it, once it is not under way."""
        for _ in attempts():
            [found] = self.side.call(
                ApiKey.DESCRIBE_TRANSACTIONS,
                0,
                DescribeTransactionsRequest(transactional_ids=[self.name]),
            ).transaction_states
            if not found.transaction_state.startswith("Prepare"):
                break
        return (
            name(found.error_code),
            found.transaction_state,
            found.producer_epoch,
            found.transaction_timeout_ms,
            found.transaction_start_time_ms > 0,
            sorted(
                (self.side.plain(each.topic, "topic"), index)
                for each in found.topics
                for index in each.partitions
            ),
        )


def name(error_code: int) -> str:
    """Return an error as Kafka calls it."""
    return ErrorCode(error_code).name


def _codes(answer: Any) -> list[int]:
    """Return all error codes of an answer."""
    if isinstance(answer, list):
        return [code for each in answer for code in _codes(each)]
    codes = []
    for field in getattr(answer, "__slots__", ()):
        value = getattr(answer, field)
        if field.endswith("error_code"):
            codes.append(value)
        elif isinstance(value, list):
            codes += _codes(value)
    return codes
