"""Frames made wrong: by bytes, and by values that are written anew."""

from __future__ import annotations

import random
import struct
from typing import Any

from fakebus.protocol import codec
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.schema import StructSchema, api_schema
from fakebus.records.batch import HEADER_SIZE, write_crc
from fuzzing.corpus import frame_of, value_of

EXTREMES = (0, 1, -1, -2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, -(2**31), 2**24)
VARINTS = (
    b"\0",
    b"\x01",
    b"\x7f",
    b"\xff\x7f",
    b"\xff\xff\x7f",
    b"\xff\xff\xff\xff\x0f",
    b"\xff" * 9,
)


class Mutator:
    """Source of mutated frames.

    Args:
        frames: what to begin with.
        choice: chance; the same seed gives the same frames.
    """

    def __init__(self, frames: list[bytes], choice: random.Random) -> None:
        self._frames = frames
        self._choice = choice
        self._widens = False

    def frame(self) -> bytes:
        """Return the next frame, mutated once or a few times."""
        choice = self._choice
        frame = choice.choice(self._frames)
        if choice.random() < 0.45:
            frame = self._other_values(frame)
        for _ in range(choice.choice((0, 1, 1, 2, 5))):
            frame = choice.choice(
                (self._flip, self._number, self._varint, self._cut, self._splice, self._repeat)
            )(frame)
        return frame[: 8 + 1_500_000]

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
        batch = bytearray(self._blob(data))
        if len(batch) >= HEADER_SIZE:
            struct.pack_into(">i", batch, 8, len(batch) - 12)
            batch[16] = 2
            write_crc(batch)
        return bytes(batch)
