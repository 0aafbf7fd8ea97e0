"""Which partition a key belongs to, as the clients of the field decide it.

==================  ==========================================================================
murmur2_random      Java's default, and that of kafka-python, aiokafka, KafkaJS, franz-go and
                    segmentio's Murmur2Balancer; librdkafka under this name. Null: caller.
murmur2             librdkafka under this name. Null is hashed like an empty key.
consistent_random   librdkafka's default, so also confluent-kafka-python, -go and -dotnet,
                    kcat and node-rdkafka: CRC-32. Null or empty: caller.
consistent          librdkafka under this name. Null is hashed like an empty key.
fnv1a_random        sarama's default (NewHashPartitioner), and librdkafka under this name.
                    Null: caller.
fnv1a               librdkafka under this name. Null is hashed like an empty key.
==================  ==========================================================================

"Caller" means that the function returns None: such records go round robin, or all to one
partition until a batch is full (KIP-480), and that is not a question of the key.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

Partitioner = Callable[[bytes | None, int], int | None]
"""Takes a key and the number of partitions; None when the caller is to choose."""

_INT32_BITS = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF
_MURMUR2_SEED = 0x9747B28C
_MURMUR2_MULTIPLIER = 0x5BD1E995
_FNV1A_BASIS = 0x811C9DC5
_FNV1A_PRIME = 0x01000193


def murmur2_hash(key: bytes) -> int:
    """Return the 32-bit MurmurHash2 of a key, unsigned, with Kafka's seed."""
    length = len(key)
    hashed = _MURMUR2_SEED ^ length
    whole = length & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * _MURMUR2_MULTIPLIER & _INT32_BITS
        word = (word ^ word >> 24) * _MURMUR2_MULTIPLIER
        hashed = (hashed * _MURMUR2_MULTIPLIER ^ word) & _INT32_BITS
    if whole < length:
        hashed ^= int.from_bytes(key[whole:], "little")
        hashed = hashed * _MURMUR2_MULTIPLIER & _INT32_BITS
    hashed = (hashed ^ hashed >> 13) * _MURMUR2_MULTIPLIER & _INT32_BITS
    return hashed ^ hashed >> 15


def fnv1a_hash(key: bytes) -> int:
    """Return the size of the 32-bit FNV-1a hash taken as a signed number, as sarama does."""
    hashed = _FNV1A_BASIS
    for byte in key:
        hashed = (hashed ^ byte) * _FNV1A_PRIME & _INT32_BITS
    return hashed if hashed <= _POSITIVE else 2**32 - hashed


def murmur2(key: bytes | None, partition_count: int) -> int:
    """Return the partition by MurmurHash2; null counts as empty."""
    return (murmur2_hash(key or b"") & _POSITIVE) % partition_count


def murmur2_random(key: bytes | None, partition_count: int) -> int | None:
    """Return the partition by MurmurHash2; None for a null key."""
    return None if key is None else murmur2(key, partition_count)


def consistent(key: bytes | None, partition_count: int) -> int:
    """Return the partition by CRC-32; null counts as empty."""
    return zlib.crc32(key or b"") % partition_count


def consistent_random(key: bytes | None, partition_count: int) -> int | None:
    """Return the partition by CRC-32; None for a null or empty key."""
    return consistent(key, partition_count) if key else None


def fnv1a(key: bytes | None, partition_count: int) -> int:
    """Return the partition by FNV-1a; null counts as empty."""
    return fnv1a_hash(key or b"") % partition_count


def fnv1a_random(key: bytes | None, partition_count: int) -> int | None:
    """Return the partition by FNV-1a; None for a null key."""
    return None if key is None else fnv1a(key, partition_count)


PARTITIONERS: Mapping[str, Partitioner] = MappingProxyType(
    {
        "consistent": consistent,
        "consistent_random": consistent_random,
        "fnv1a": fnv1a,
        "fnv1a_random": fnv1a_random,
        "murmur2": murmur2,
        "murmur2_random": murmur2_random,
    }
)
"""By librdkafka's names."""

DEFAULT_PARTITIONER = "murmur2_random"
"""What a Java producer does with a key."""


class PartitionChooser:
    """Chooser of partitions: by the key, as librdkafka does, else in turns."""

    def __init__(self) -> None:
        self._turn = itertools.count()

    def choose(self, key: bytes | None, partitions: int) -> int:
        """Return the partition of the next record."""
        return next(self._turn) % partitions if key is None else consistent(key, partitions)
