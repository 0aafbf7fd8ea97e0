"""What can be wrong with a record batch.

RecordError (a ValueError)
    CorruptBatchError        the bytes are damaged: CRC, truncation
    InvalidBatchError        the bytes are whole but break a rule of the format
    UnsupportedCodecError    a compression codec that is unknown or not installed
    DecompressionError       the compressed part is damaged, or too large when unpacked

The texts are plain sentences; the broker chooses Kafka's error codes.
"""

from __future__ import annotations


class RecordError(ValueError):
    """A record batch cannot be used; the text says why."""


class CorruptBatchError(RecordError):
    """The bytes of the batch are damaged or cut off."""


class InvalidBatchError(RecordError):
    """The batch breaks a rule of the record format."""


class UnsupportedCodecError(RecordError):
    """The batch's compression codec is unknown, or its library is not installed."""


class DecompressionError(RecordError):
    """The compressed records are damaged, or unpack to more than the caller allowed."""
