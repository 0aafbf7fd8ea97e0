"""What a producer's record batch has to look like before it may enter a log.

Source: Kafka's ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords and
LogValidator. Only the header is read, and the CRC computed over the bytes; records are
decoded only where a rule speaks about single records.
"""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import (
    CODEC_MASK,
    CONTROL_BIT,
    HEADER_SIZE,
    LENGTH_OVERHEAD,
    MAGIC,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    clear_timestamp_type,
    compute_crc,
    parse_header,
    set_log_append_time,
)
from fakebus.records.errors import RecordError, UnsupportedCodecError

_HIGHEST_CODEC = 4


class InvalidRecordsError(BrokerError):
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


def check_shape(data: bytearray | memoryview | None) -> BatchHeader:
    """Return the header of the one record batch that ``data`` is.

    Raises:
        BrokerError: INVALID_RECORD when it is not exactly one batch of magic 2,
            CORRUPT_MESSAGE when its length is impossible.
    """
    if data is None or len(data) < HEADER_SIZE:
        raise BrokerError(ErrorCode.INVALID_RECORD, "no complete record batch was sent")
    header = parse_header(data)
    if header.magic != MAGIC:
        raise BrokerError(
            ErrorCode.INVALID_RECORD,
            f"message format {header.magic} is not supported; only format 2 is (KIP-724)",
        )
    size = header.batch_length + LENGTH_OVERHEAD
    if size < HEADER_SIZE:
        raise BrokerError(ErrorCode.CORRUPT_MESSAGE, f"a record batch of {size} bytes is too short")
    if size < len(data):
        raise BrokerError(
            ErrorCode.INVALID_RECORD, "only one record batch per partition may be sent at a time"
        )
    if size > len(data):
        raise BrokerError(ErrorCode.INVALID_RECORD, "the record batch is cut off")
    return header


def check_batch(
    data: bytearray | memoryview, header: BatchHeader, config: TopicConfig, now_ms: int
) -> None:
    """Accept a batch of the right shape for a topic.

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
    _check_header(header)
    if header.attributes & TRANSACTIONAL_BIT:
        raise BrokerError(ErrorCode.INVALID_TXN_STATE, "transactions are not served yet")
    if not config.log_append_time:
        _check_timestamps(header, config, now_ms)
    elif header.attributes & TIMESTAMP_TYPE_BIT:
        raise BrokerError(
            ErrorCode.INVALID_TIMESTAMP, "a producer must not set the timestamp type itself"
        )
    if config.compact:
        _check_keys(data)


def _check_header(header: BatchHeader) -> None:
    problem = None
    if header.record_count <= 0:
        problem = f"the record batch counts {header.record_count} records"
    elif header.last_offset_delta + 1 != header.record_count:
        problem = (
            f"the record batch counts {header.record_count} records, "
            f"but its last offset delta is {header.last_offset_delta}"
        )
    elif header.base_offset != 0:
        problem = f"the base offset must be 0, not {header.base_offset}"
    elif header.attributes & CONTROL_BIT:
        problem = "clients must not write control batches"
    elif header.producer_id >= 0 and (header.base_sequence < 0 or header.producer_epoch < 0):
        problem = (
            f"producer {header.producer_id} sent sequence {header.base_sequence} "
            f"and epoch {header.producer_epoch}"
        )
    if problem is not None:
        raise BrokerError(ErrorCode.INVALID_RECORD, problem)
    codec = header.attributes & CODEC_MASK
    if codec > _HIGHEST_CODEC:
        raise BrokerError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"there is no compression type {codec}"
        )


def _check_timestamps(header: BatchHeader, config: TopicConfig, now_ms: int) -> None:
    newest, oldest = header.max_timestamp, header.base_timestamp
    if newest != NO_TIMESTAMP and newest > now_ms + config.timestamp_after_max_ms:
        raise BrokerError(
            ErrorCode.INVALID_TIMESTAMP,
            f"timestamp {newest} lies {newest - now_ms} ms in the future, more than "
            f"message.timestamp.after.max.ms = {config.timestamp_after_max_ms}",
        )
    if oldest != NO_TIMESTAMP and oldest < now_ms - config.timestamp_before_max_ms:
        raise BrokerError(
            ErrorCode.INVALID_TIMESTAMP,
            f"timestamp {oldest} lies {now_ms - oldest} ms in the past, more than "
            f"message.timestamp.before.max.ms = {config.timestamp_before_max_ms}",
        )


def _check_keys(data: bytearray | memoryview) -> None:
    # Imported here because only compacted topics look into batches.
    from fakebus.records.reader import records_without_key

    try:
        keyless = records_without_key(data)
    except RecordError as error:
        raise BrokerError(ErrorCode.INVALID_RECORD, str(error)) from error
    if keyless:
        raise InvalidRecordsError(
            ErrorCode.INVALID_RECORD,
            "a compacted topic takes only records with a key",
            [(index, "compacted topic cannot accept a record without a key") for index in keyless],
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
        raise BrokerError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error
