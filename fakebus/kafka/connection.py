"""The Kafka wire framing without I/O: bytes in, frames out; responses in, buffers out.

A frame is a 32-bit length and that many bytes. Small frames are cut out of one receive
buffer; a large frame is received straight into a bytearray of its own, which grows as bytes
come: a length that is a lie costs nothing. Every frame owns its bytes, and the records in it
may be changed in place and kept.
"""

from __future__ import annotations

import struct
from typing import NoReturn

from fakebus.protocol.errors import DecodeError
from fakebus.types import Buffer

RECEIVE_BUFFER_BYTES = 64 * 1024
FIRST_RECEIVE_BUFFER_BYTES = 4 * 1024
"""What a connection begins with: most are idle, and there may be thousands."""
LARGE_FRAME_BYTES = 32 * 1024
"""Frames from this size on get their own buffer before they are received."""
FIRST_LARGE_BUFFER_BYTES = 128 * 1024
"""What a large frame's buffer begins with."""
BUFFER_GROWTH = 4
"""How many times larger it becomes when it is full."""
MOST_BUFFER_GROWTH_BYTES = 16 * 1024 * 1024

_LENGTH = struct.Struct(">i")
_HEADER_MINIMUM = 8
"""Api key, version and correlation id: the least a request consists of."""


class FrameReader:
    """Cuts a stream of bytes into frames.

    Use: receive into :meth:`get_buffer`, then tell :meth:`received` how much came.

    Args:
        max_frame_bytes: socket.request.max.bytes; a longer frame is refused unread.
    """

    __slots__ = (
        "_end",
        "_large",
        "_large_filled",
        "_max_frame_bytes",
        "_min_frame_bytes",
        "_shared",
        "_start",
        "large_bytes",
    )

    def __init__(self, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._min_frame_bytes = _HEADER_MINIMUM
        self._shared = bytearray(FIRST_RECEIVE_BUFFER_BYTES)
        self._start = 0
        self._end = 0
        self._large: bytearray | None = None
        self.large_bytes = 0
        """How long the large frame is that is being received; 0 while there is none."""
        self._large_filled = 0

    def limit(self, max_frame_bytes: int, *, bare_tokens: bool) -> None:
        """Change what frames are accepted from now on.

        Args:
            max_frame_bytes: a longer frame is refused unread.
            bare_tokens: whether frames may be SASL tokens, which have no request header.
        """
        self._max_frame_bytes = max_frame_bytes
        self._min_frame_bytes = 0 if bare_tokens else _HEADER_MINIMUM

    def get_buffer(self) -> memoryview:
        """Return where the next bytes from the socket belong; never empty."""
        if self._large is not None:
            if self._large_filled == len(self._large):
                self._grow(self._large)
            return memoryview(self._large)[self._large_filled :]
        if self._end == len(self._shared):
            self._move_to_front()
        return memoryview(self._shared)[self._end :]

    def _grow(self, full: bytearray) -> None:
        # Not in place: the event loop may still hold a view of the old one.
        wanted = min(len(full) * BUFFER_GROWTH, len(full) + MOST_BUFFER_GROWTH_BYTES)
        self._large = bytearray(min(wanted, self.large_bytes))
        self._large[: len(full)] = full

    def _move_to_front(self) -> None:
        waiting = self._end - self._start
        self._shared[:waiting] = self._shared[self._start : self._end]
        self._start, self._end = 0, waiting

    def received(self, count: int) -> list[bytearray]:
        """Take ``count`` new bytes in the buffer; return the frames that are now complete.

        Raises:
            DecodeError: the length of a frame is negative, too small or too large.
        """
        if self._large is not None:
            self._large_filled += count
            if self._large_filled < self.large_bytes:
                return []
            frame, self._large, self.large_bytes = self._large, None, 0
            return [frame]
        self._end += count
        if self._end == len(self._shared) < RECEIVE_BUFFER_BYTES:
            self._shared = self._shared + bytes(RECEIVE_BUFFER_BYTES - self._end)
        frames: list[bytearray] = []
        while self._end - self._start >= 4:
            (length,) = _LENGTH.unpack_from(self._shared, self._start)
            if not self._min_frame_bytes <= length <= self._max_frame_bytes:
                self._refuse(length)
            body = self._start + 4
            if self._end - body >= length:
                frames.append(self._shared[body : body + length])
                self._start = body + length
            elif length >= LARGE_FRAME_BYTES:
                self._begin_large(length, body)
                break
            else:
                break
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._shared) - self._start < LARGE_FRAME_BYTES + 4:
            self._move_to_front()
        return frames

    def _refuse(self, length: int) -> NoReturn:
        if length < self._min_frame_bytes:
            raise DecodeError(0, f"a frame of {length} bytes cannot hold a request header")
        raise DecodeError(
            0,
            f"a frame of {length} bytes is longer than the "
            f"{self._max_frame_bytes} that socket.request.max.bytes, or before the login "
            "sasl.server.max.receive.size, permits",
        )

    def _begin_large(self, length: int, body: int) -> None:
        self.large_bytes = length
        self._large_filled = self._end - body
        self._large = bytearray(min(length, FIRST_LARGE_BUFFER_BYTES))
        self._large[: self._large_filled] = self._shared[body : self._end]
        self._start = self._end = 0


def frame_response(header: bytes, body: list[Buffer]) -> list[Buffer]:
    """Return the buffers of a response frame, small ones joined."""
    size = len(header) + sum(map(len, body))
    prefix = _LENGTH.pack(size) + header
    if size < RECEIVE_BUFFER_BYTES:
        return [b"".join((prefix, *body))]
    return [prefix, *body]
