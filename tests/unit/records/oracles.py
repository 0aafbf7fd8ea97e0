"""Record batches and partitions as real client libraries make them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from aiokafka.record.default_records import DefaultRecordBatch as AiokafkaBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AiokafkaBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy, _DefaultRecordBatchPy

with warnings.catch_warnings():
    # kafka-python reads its schemas with importlib.resources.read_text, deprecated in 3.11.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import codec as kafka_python_codec
    from kafka.partitioner.default import murmur2 as kafka_python_murmur2
    from kafka.record.default_records import DefaultRecordBatch as KafkaPythonBatch
    from kafka.record.default_records import DefaultRecordBatchBuilder as KafkaPythonBuilder

from fakebus.records.codecs import Codec
from fakebus.records.record import NewRecord, Record

MURMUR2: list[Callable[[bytes], int]] = [aiokafka_murmur2, kafka_python_murmur2]

BUILDERS: dict[str, Any] = {
    "aiokafka": AiokafkaBuilder,
    "aiokafka without its C extension": _DefaultRecordBatchBuilderPy,
    "kafka-python": KafkaPythonBuilder,
}
READERS: dict[str, Any] = {
    "aiokafka": AiokafkaBatch,
    "aiokafka without its C extension": _DefaultRecordBatchPy,
    "kafka-python": KafkaPythonBatch,
}

_HAS_CODEC = {
    Codec.NONE: True,
    Codec.GZIP: True,
    Codec.SNAPPY: kafka_python_codec.has_snappy(),
    Codec.LZ4: kafka_python_codec.has_lz4(),
    Codec.ZSTD: kafka_python_codec.has_zstd(),
}

EVERY_CLIENT_AND_CODEC = [
    (client, codec)
    for client in BUILDERS
    for codec in Codec
    # kafka-python takes snappy, lz4 and zstd from packages that need not be there;
    # aiokafka has them all.
    if client != "kafka-python" or _HAS_CODEC[codec]
]


def build(client: str, records: Sequence[NewRecord], codec: Codec, **fields: Any) -> bytes:
    """Return the batch that the client library makes of the records."""
    settings = {
        "is_transactional": False,
        "producer_id": -1,
        "producer_epoch": -1,
        "base_sequence": -1,
        **fields,
    }
    builder = BUILDERS[client](magic=2, compression_type=codec, batch_size=2**24, **settings)
    for delta, (key, value, headers, timestamp) in enumerate(records):
        assert builder.append(delta, timestamp, key, value, list(headers)) is not None
    return bytes(builder.build())


def read(client: str, batch: bytes) -> list[Record]:
    """Return the records that the client library sees in a batch with a valid CRC."""
    reader = READERS[client](batch)
    assert reader.validate_crc()
    return [
        Record(
            record.offset,
            -1 if record.timestamp is None else record.timestamp,
            None if record.key is None else bytes(record.key),
            None if record.value is None else bytes(record.value),
            tuple(
                (name, None if value is None else bytes(value)) for name, value in record.headers
            ),
        )
        for record in reader
    ]
