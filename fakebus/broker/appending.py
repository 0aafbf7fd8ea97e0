"""What a producer's record batch has to look like before it may enter a log, and its outcome.

Source: Kafka's ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords and
LogValidator. Only the header is read, the CRC computed over the bytes, and the records counted;
they are decoded only where a topic's configs speak about single records.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Generator, Sequence
from itertools import islice
from typing import Generic, NamedTuple, NoReturn, TypeVar

from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import (
    CONTROL_BIT,
    HEADER_SIZE,
    LENGTH_OVERHEAD,
    MAGIC,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    check_count,
    clear_timestamp_type,
    compute_crc,
    parse_header,
    set_log_append_time,
)
from fakebus.records.codecs import CODEC_MASK, ZSTD_CODEC
from fakebus.records.errors import InvalidBatchError, RecordError, UnsupportedCodecError
from fakebus.types import TopicPartition
from fakebus.wording import counted

_HIGHEST_CODEC = 4
_WITHOUT_LOG_START = (
    ErrorCode.MESSAGE_TOO_LARGE,
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.KAFKA_STORAGE_ERROR,
)
MOST_RECORD_ERRORS = 1000
"""Records of a batch that an answer names; Kafka names all."""
_MAGIC_AT = 16
_LENGTH = struct.Struct(">i")
_SMALLEST_LENGTH = 14
"""What follows the length of the smallest message of format 0."""

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class Outcome(Generic[T]):
    """Outcome of what is under way, told in the very call in which it becomes known.

    A future would do, but a future tells its callbacks in the next turn of the event loop.
    Telling them at once saves a producer a third of its waiting time.
    """

    __slots__ = ("_callbacks", "outcome", "settled")

    def __init__(self) -> None:
        self.settled = False
        """Whether the outcome is known."""
        self.outcome: T
        self._callbacks: tuple[Callable[[T], None], ...] = ()

    def settle(self, outcome: T) -> None:
        """Make the outcome known and run the callbacks."""
        self.outcome, self.settled = outcome, True
        callbacks, self._callbacks = self._callbacks, ()
        for callback in callbacks:
            callback(outcome)

    def when_settled(self, callback: Callable[[T], None]) -> None:
        """Run ``callback`` with the outcome when it is known; now if it is."""
        if self.settled:
            callback(self.outcome)
        else:
            self._callbacks += (callback,)


class Result(Outcome[T | E], Generic[T, E]):
    """Outcome that may be an error.

    It can be awaited, any number of times, and gives what there is or raises the error.
    """

    __slots__ = ()

    def result(self) -> T:
        """Return the outcome, or raise the error; only when settled."""
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def __await__(self) -> Generator[None, None, T]:
        """Wait for the outcome."""
        if not self.settled:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def wake(_: T | E) -> None:
                if not future.done():
                    future.set_result(None)

            self.when_settled(wake)
            yield from future
        return self.result()


class LogAppendInfo(NamedTuple):
    """Place of a stored batch, and what the log looked like then.

    ``log_append_time_ms`` is -1 unless the topic stamps records itself.
    """

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    log_start_offset: int


class AppendResult(Result[LogAppendInfo, BrokerError]):
    """Outcome of an append: the place of the batch, or why it is not stored."""

    __slots__ = ()


class RefusedBatchError(BrokerError):
    """A log has looked at a batch and does not take it; the answer says where the log starts.

    Args:
        error_code: the error of the whole batch.
        message: what is wrong with the batch.
        log_start_offset: of the log; -1 as long as it is not known.
    """

    def __init__(
        self, error_code: ErrorCode, message: str | None = None, log_start_offset: int = -1
    ) -> None:
        super().__init__(error_code, message)
        self.log_start_offset = log_start_offset


class InvalidRecordsError(RefusedBatchError):
    """Single records of a batch break a rule.

    Args:
        error_code: the error of the whole batch.
        message: what is wrong with the batch.
        record_errors: (index in the batch, message) of each offending record (KIP-467).
    """

    def __init__(
        self, error_code: ErrorCode, message: str, record_errors: Sequence[tuple[int, str]]
    ) -> None:
        super().__init__(error_code, message)
        self.record_errors = record_errors


def refused(error: BrokerError, log_start_offset: int) -> BrokerError:
    """Return an error as a log reports it that did not take a batch.

    Args:
        error: why it did not.
        log_start_offset: of the log. Kafka leaves it out when the batch was too large, was
            corrupt, or could not be stored (ReplicaManager.appendRecordsToLeader).
    """
    if isinstance(error, RefusedBatchError):
        error.log_start_offset = log_start_offset
    elif error.error_code not in _WITHOUT_LOG_START:
        return RefusedBatchError(error.error_code, error.message, log_start_offset)
    return error


class ImpossibleBatchError(BrokerError):
    """The length or the format of a batch cannot be, so the whole request is refused."""


def check_shape(data: bytearray | memoryview | None, *, allow_zstd: bool = True) -> BatchHeader:
    """Return the header of the one record batch that ``data`` begins with.

    What follows it may not be another whole batch; like Kafka, this takes other bytes.

    Args:
        data: the bytes that a client sent for a partition.
        allow_zstd: whether its version of the protocol knows zstd (KIP-110).

    Raises:
        BrokerError: INVALID_RECORD when it is not exactly one batch of magic 2,
            CORRUPT_MESSAGE when its length or magic is impossible,
            UNSUPPORTED_COMPRESSION_TYPE.
    """
    if data is not None and len(data) >= HEADER_SIZE:
        header = parse_header(data)
        if (
            header.batch_length + LENGTH_OVERHEAD == len(data)
            and header.magic == MAGIC
            and (allow_zstd or header.attributes & CODEC_MASK != ZSTD_CODEC)
        ):
            return header
    return _look_closely(data, allow_zstd)


def _look_closely(data: bytearray | memoryview | None, allow_zstd: bool) -> BatchHeader:
    size = 0 if data is None else _whole_batch(data, 0)
    if not size or data is None:
        raise BrokerError(ErrorCode.INVALID_RECORD, "no complete record batch was sent")
    if data[_MAGIC_AT] != MAGIC:
        raise BrokerError(
            ErrorCode.INVALID_RECORD,
            f"message format {data[_MAGIC_AT]} is not supported; only format 2 is (KIP-724)",
        )
    if size < HEADER_SIZE:
        raise BrokerError(ErrorCode.CORRUPT_MESSAGE, f"a record batch of {size} bytes is too short")
    header = parse_header(data)
    if not allow_zstd and header.attributes & CODEC_MASK == ZSTD_CODEC:
        raise BrokerError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    if size < len(data):
        _check_behind(data, size)
    return header


def _check_behind(data: bytearray | memoryview, size: int) -> None:
    try:
        another = _whole_batch(data, size)
    except ImpossibleBatchError as error:
        raise BrokerError(error.error_code, error.message) from error
    if another:
        raise BrokerError(
            ErrorCode.INVALID_RECORD, "only one record batch per partition may be sent at a time"
        )


def _whole_batch(data: bytearray | memoryview, position: int) -> int:
    """Return the size of the batch that starts there, 0 when it is not all there."""
    there = len(data) - position
    if there < LENGTH_OVERHEAD:
        return 0
    (length,) = _LENGTH.unpack_from(data, position + 8)
    if length < _SMALLEST_LENGTH:
        problem = f"a record batch cannot have length {length}"
        raise ImpossibleBatchError(ErrorCode.CORRUPT_MESSAGE, problem)
    if there <= _MAGIC_AT:
        return 0
    magic = data[position + _MAGIC_AT]
    if magic > MAGIC:
        problem = f"there is no message format {magic}"
        raise ImpossibleBatchError(ErrorCode.CORRUPT_MESSAGE, problem)
    size: int = length + LENGTH_OVERHEAD
    return size if size <= there else 0


def is_transactional(data: bytearray | memoryview) -> bool:
    """Return whether a batch that was refused for its shape is one of a transaction."""
    return _whole_batch(data, 0) >= HEADER_SIZE and bool(data[22] & TRANSACTIONAL_BIT)


def check_batch(
    data: bytearray | memoryview, header: BatchHeader, config: TopicConfig, now_ms: int
) -> bool:
    """Accept a batch of the right shape for a topic, as far as its records need no look.

    Returns:
        Whether its records need one, which may take long.

    Raises:
        BrokerError: MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, INVALID_RECORD,
            UNSUPPORTED_COMPRESSION_TYPE or INVALID_TIMESTAMP.
    """
    if len(data) > config.max_message_bytes:
        raise BrokerError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"the record batch has {len(data)} bytes, "
            f"more than the topic's max.message.bytes of {config.max_message_bytes}",
        )
    if compute_crc(data) != header.crc:
        raise BrokerError(ErrorCode.CORRUPT_MESSAGE)
    if (
        not header.record_count == header.last_offset_delta + 1 > 0
        or header.base_offset
        or header.attributes & CONTROL_BIT
        or header.attributes & CODEC_MASK > _HIGHEST_CODEC
        or header.producer_id >= 0 > header.base_sequence
    ):
        _refuse_header(header)
    try:
        check_count(data, header)
    except InvalidBatchError as error:
        raise BrokerError(ErrorCode.INVALID_RECORD, str(error)) from error
    if config.log_append_time and header.attributes & TIMESTAMP_TYPE_BIT:
        problem = "a producer must not set the timestamp type itself"
        raise InvalidRecordsError(
            ErrorCode.INVALID_TIMESTAMP,
            problem,
            [(index, problem) for index in range(min(header.record_count, MOST_RECORD_ERRORS))],
        )
    return config.looks_at_records or not (
        config.log_append_time or _fit_timestamps(header, config, now_ms)
    )


def _fit_timestamps(header: BatchHeader, config: TopicConfig, now_ms: int) -> bool:
    # The first record's timestamp and the newest one stand for all: usually nothing is decoded.
    return (
        header.max_timestamp <= now_ms + config.timestamp_after_max_ms
        and header.base_timestamp >= now_ms - config.timestamp_before_max_ms
    )


def check_records(
    data: bytearray | memoryview,
    header: BatchHeader,
    config: TopicConfig,
    now_ms: int,
    place: TopicPartition,
) -> None:
    """Accept the records of a batch for a place that :func:`check_batch` has accepted.

    Raises:
        BrokerError: INVALID_RECORD or INVALID_TIMESTAMP.
    """
    if not config.log_append_time and not _fit_timestamps(header, config, now_ms):
        _check_timestamps(data, config, now_ms)
    if config.compact or config.compression_type != "producer":
        _check_records(data)
    if config.compact:
        _check_keys(data, place)


def _refuse_header(header: BatchHeader) -> NoReturn:
    codec = header.attributes & CODEC_MASK
    if header.record_count <= 0:
        problem = f"the record batch counts {counted(header.record_count, 'record')}"
    elif header.last_offset_delta + 1 != header.record_count:
        problem = (
            f"the record batch counts {counted(header.record_count, 'record')}, "
            f"but its last offset delta is {header.last_offset_delta}"
        )
    elif header.base_offset != 0:
        problem = f"the base offset must be 0, not {header.base_offset}"
    elif header.attributes & CONTROL_BIT:
        problem = "clients must not write control batches"
    elif header.producer_id >= 0 > header.base_sequence:
        problem = f"producer {header.producer_id} sent sequence {header.base_sequence}"
    else:
        # Not UNSUPPORTED_COMPRESSION_TYPE: Kafka does not expect it and reports a failure.
        raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, f"there is no compression type {codec}")
    raise BrokerError(ErrorCode.INVALID_RECORD, problem)


def _check_timestamps(data: bytearray | memoryview, config: TopicConfig, now_ms: int) -> None:
    latest = now_ms + config.timestamp_after_max_ms
    earliest = now_ms - config.timestamp_before_max_ms
    from fakebus.records.reader import read_records

    try:
        times = [record.timestamp for record in read_records(data)]
    except RecordError as error:
        raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from error
    found = (
        (index, f"timestamp {time} is not between {earliest} and {latest}")
        for index, time in enumerate(times)
        if time != NO_TIMESTAMP and not earliest <= time <= latest
    )
    wrong = list(islice(found, MOST_RECORD_ERRORS))
    if wrong:
        raise InvalidRecordsError(
            ErrorCode.INVALID_TIMESTAMP,
            f"{wrong[0][1]}, as message.timestamp.before.max.ms and .after.max.ms demand",
            wrong,
        )


def _check_records(data: bytearray | memoryview) -> None:
    # Kafka does this to every batch. It costs more than all the rest, so here only topics pay
    # for it whose batches are taken apart in any case.
    from fakebus.records.reader import validate_records

    try:
        problems = validate_records(data)
    except InvalidBatchError as error:
        raise BrokerError(ErrorCode.INVALID_RECORD, str(error)) from error
    except RecordError as error:
        raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from error
    if problems:
        raise BrokerError(ErrorCode.INVALID_RECORD, problems[0].problem)


def _check_keys(data: bytearray | memoryview, place: TopicPartition) -> None:
    from fakebus.records.reader import records_without_key

    keyless = records_without_key(data)
    if keyless:
        raise InvalidRecordsError(
            ErrorCode.INVALID_RECORD,
            f"{place} is compacted and takes only records with a key",
            [
                (index, f"this record for {place} has no key, and the topic is compacted")
                for index in keyless[:MOST_RECORD_ERRORS]
            ],
        )


def stamp(
    data: bytearray | memoryview, header: BatchHeader, config: TopicConfig, now_ms: int
) -> tuple[bytearray | memoryview, BatchHeader, int]:
    """Return the batch, its header and the log append time as the topic stores them."""
    if config.compression_type != "producer":
        data = _recompress(data, config)
        header = parse_header(data)
    if config.log_append_time:
        set_log_append_time(data, now_ms)
        return data, parse_header(data), now_ms
    if header.attributes & TIMESTAMP_TYPE_BIT:
        clear_timestamp_type(data)
        return data, parse_header(data), -1
    return data, header, -1


def _recompress(data: bytearray | memoryview, config: TopicConfig) -> bytearray | memoryview:
    from fakebus.records.compression import codec_for_name, recompress

    codec = codec_for_name(config.compression_type)
    if codec == data[22] & CODEC_MASK:
        return data
    try:
        return recompress(data, codec, level=config.compression_level)
    except UnsupportedCodecError as error:
        raise BrokerError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, str(error)) from error
    except RecordError as error:
        raise BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from error
