"""Frames made wrong: by bytes, and by values that are written anew."""

from __future__ import annotations

import random
import struct
from typing import Any

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.primitives import uvarint_bytes
from fakebus.protocol.schema import StructSchema, api_schema
from fakebus.records.batch import HEADER_SIZE, write_crc
from fakebus.records.codecs import Codec
from fakebus.records.compression import compress, decompress
from fakebus.records.errors import RecordError
from fuzzing.corpus import Conversation, frame_of, value_of

EXTREMES = (0, 1, -1, -2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, -(2**31), 2**24)
MOST_BYTES = 1_500_000
_KEYS = frozenset(map(int, ApiKey))
VARINTS = (
    b"\0",
    b"\x01",
    b"\x7f",
    b"\xff\x7f",
    b"\xff\xff\x7f",
    b"\xff\xff\xff\xff\x0f",
    b"\xff" * 9,
)


GROUPS = {
    "share": ("SHARE",),
    "streams": ("STREAMS",),
    "consumer": ("CONSUMER_GROUP",),
    "transactions": ("TXN", "TRANSACTION", "INIT_PRODUCER"),
    "classic": ("GROUP", "HEARTBEAT", "OFFSET_", "FIND_COORDINATOR"),
    "logins": ("SASL", "SCRAM", "DELEGATION"),
    "access": ("ACL", "QUOTA"),
    "records": ("PRODUCE", "FETCH", "OFFSET", "RECORDS"),
    "admin": ("",),
}
"""Groups of APIs, by parts of their names; an API is in the first group that it fits."""


def group_of(frame: bytes) -> str:
    """Return the group of the API that a frame is for."""
    key = int.from_bytes(frame[:2], "big", signed=True)
    name = ApiKey(key).name if key in _KEYS else ""
    return next(group for group, parts in GROUPS.items() if any(part in name for part in parts))


class Mutator:
    """Source of mutated frames.

    Args:
        conversations: what to begin with, of real clients.
        frames: what to begin with besides.
        choice: chance; the same seed gives the same frames.
        group: of :data:`GROUPS`, whose APIs alone are mutated; all if it is empty.
    """

    def __init__(
        self,
        conversations: list[Conversation],
        frames: list[bytes],
        choice: random.Random,
        group: str = "",
    ) -> None:
        def counts(frame: bytes) -> bool:
            return not group or group_of(frame) == group

        self._counts = counts
        self._conversations = [each for each in conversations if any(map(counts, each.frames))]
        self._lengths = [sum(map(counts, each.frames)) for each in self._conversations]
        said = [frame for each in conversations for frame in each.frames]
        self._frames = list(filter(counts, sorted(set(said)) * 3 + frames))
        self._choice = choice
        self._widens = False

    def frame(self) -> bytes:
        """Return the next frame, mutated once or a few times."""
        return self._mutated(self._choice.choice(self._frames))

    def conversation(self) -> Conversation:
        """Return what a client said, and some of its frames are mutated, a few come again."""
        choice = self._choice
        [(frames, is_login)] = choice.choices(self._conversations, self._lengths)
        said = []
        for frame in frames:
            if self._counts(frame) and choice.random() < 0.08:
                said.append(self._mutated(frame))
            if choice.random() < 0.97:
                said.append(frame)
        return Conversation(said or frames[:1], is_login)

    def _mutated(self, frame: bytes) -> bytes:
        choice = self._choice
        if choice.random() < 0.6:
            frame = self._other_values(frame)
        for _ in range(choice.choice((0, 0, 0, 1, 1, 2, 5))):
            frame = choice.choice(
                (
                    *(self._flip, self._number, self._varint, self._cut, self._splice),
                    *(self._repeat, self._tags),
                )
            )(frame)
        return frame[: 8 + MOST_BYTES]

    def _place(self, frame: bytes, width: int = 1) -> int:
        # Mostly behind the header, so that the bytes reach what reads the body.
        low = 0 if self._choice.random() < 0.05 else min(8, max(0, len(frame) - width))
        return self._choice.randint(low, max(low, len(frame) - width))

    def _flip(self, frame: bytes) -> bytes:
        at = self._place(frame)
        return frame[:at] + self._choice.randbytes(1) + frame[at + 1 :]

    def _number(self, frame: bytes) -> bytes:
        layout, size = self._choice.choice(((">h", 2), (">i", 4), (">q", 8)))
        value = self._choice.choice(EXTREMES)
        limit = 1 << (8 * size - 1)
        at = self._place(frame, size)
        value = (value + limit) % (2 * limit) - limit
        return frame[:at] + struct.pack(layout, value) + frame[at + size :]

    def _varint(self, frame: bytes) -> bytes:
        at = self._place(frame)
        return frame[:at] + self._choice.choice(VARINTS) + frame[at + 1 :]

    def _cut(self, frame: bytes) -> bytes:
        return frame[: self._place(frame)]

    def _splice(self, frame: bytes) -> bytes:
        other = self._choice.choice(self._frames)
        return frame[: self._place(frame)] + other[self._place(other) :]

    def _repeat(self, frame: bytes) -> bytes:
        at = self._place(frame)
        piece = frame[at : at + self._choice.choice((1, 4, 30, 200))]
        return frame[:at] + piece * self._choice.choice((2, 10, 1000)) + frame[at:]

    def _tags(self, frame: bytes) -> bytes:
        """Put tagged fields in the place of an end that has none: known, unknown, cut, many."""
        choice = self._choice
        count = choice.choice((1, 2, 50))
        tags = [
            uvarint_bytes(choice.choice((0, 1, number, 127, 2**31 - 1)))
            + uvarint_bytes(choice.choice((0, 1, 4, 4, 200)))
            + choice.randbytes(choice.choice((0, 4, 4, 200)))
            for number in range(count)
        ]
        at = frame.rfind(0) if choice.random() < 0.7 else self._place(frame)
        return frame[: max(at, 0)] + uvarint_bytes(count) + b"".join(tags) + frame[at + 1 :]

    def _other_values(self, frame: bytes) -> bytes:
        """Decode, change values, and encode again: the frame is right, what it says is not."""
        try:
            header, offset = codec.decode_request_header(memoryview(frame))
            key, version = header.api_key, header.api_version
            message = codec.decode_request(key, version, memoryview(frame), offset)
            schema = api_schema(key)
            assert schema is not None
            self._widens = self._choice.random() < 0.2
            for _ in range(self._choice.choice((1, 2, 4))):
                self._change(message, schema.request.root, version)
            return frame_of(key, version, message, schema.request.is_flexible(version))
        except (DecodeError, EncodeError):
            return frame

    def _change(self, message: Any, schema: StructSchema, version: int) -> None:
        choice = self._choice
        fields = [*schema.fields_in(version), *schema.tagged_fields_in(version)]
        if not fields:
            return
        field = choice.choice(fields)
        value = getattr(message, field.name)
        if field.struct is not None:
            if isinstance(value, list) and value:
                if self._widens:
                    self._widens = False  # once: what is inside would be multiplied too
                    setattr(message, field.name, value * choice.choice((2, 50, 2_000)))
                else:
                    self._change(choice.choice(value), field.struct, version)
            elif value is not None and not isinstance(value, list):
                self._change(value, field.struct, version)
        elif isinstance(value, list):
            extra = [value_of(field.name, field.type, choice) for _ in range(3)]
            times = choice.choice((10, 500)) if self._widens else 1
            self._widens = False
            setattr(message, field.name, (value + extra) * times)
        elif field.type == "rec" and value:
            setattr(message, field.name, self._batch(bytes(value)))
        elif field.type == "bytes" and value and choice.random() < 0.8:
            setattr(message, field.name, self._blob(bytes(value)))
        else:
            setattr(message, field.name, value_of(field.name, field.type, choice))

    def _blob(self, data: bytes) -> bytes:
        padded = bytes(8) + data
        change = self._choice.choice((self._flip, self._number, self._varint, self._cut))
        return change(padded)[8:]

    def _batch(self, data: bytes) -> bytes:
        """Change a batch behind its CRC, which is made right again."""
        if len(data) < HEADER_SIZE:
            return data
        if self._choice.random() < 0.5:
            data = self._recompressed(data)
        batch = bytearray(self._blob(data))
        if len(batch) >= HEADER_SIZE:
            struct.pack_into(">i", batch, 8, len(batch) - 12)
            batch[16] = 2
            write_crc(batch)
        return bytes(batch)

    def _recompressed(self, data: bytes) -> bytes:
        """Change the records inside, and compress them anew: what unpacks them sees the change."""
        try:
            codec_now = Codec(data[22] & 7)
            records = decompress(codec_now, data[HEADER_SIZE:], MOST_BYTES)
        except (ValueError, RecordError):
            return data
        changed = self._blob(bytes(records))
        if self._choice.random() < 0.1:
            changed = changed * self._choice.choice((2, 1_000))
        new = self._choice.choice(list(Codec))
        header = bytearray(data[:HEADER_SIZE])
        header[22] = header[22] & ~7 | new
        return bytes(header) + bytes(compress(new, changed[:MOST_BYTES]))
