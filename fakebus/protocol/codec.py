"""Requests and responses between bytes and messages: the door to this package.

Nothing here knows sockets or the broker. A frame is a 32-bit length and that many bytes. Small
frames are cut out of one receive buffer; a large frame is received straight into a bytearray of
its own, which grows as bytes come: a length that is a lie costs nothing. Every frame owns its
bytes, and the records in it may be changed in place and kept. Of a frame
:func:`decode_request_header` reads the header and says where the body starts,
:func:`decode_request` reads the body; :func:`encode_response_header` and
:func:`encode_response` go the other way. The remaining functions are the client's side.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, NamedTuple, NoReturn

from fakebus.protocol import compiler
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.compiler import Decoder, Encoder
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.primitives import null_or_error, skip_tagged_fields
from fakebus.protocol.schema import ApiSchema, StructSchema, api_heads, api_schema
from fakebus.protocol.versions import NO_VERSIONS, VersionRange
from fakebus.types import Buffer

RECEIVE_BUFFER_BYTES = 64 * 1024
FIRST_RECEIVE_BUFFER_BYTES = 4 * 1024
"""What a connection begins with: most are idle, and there may be thousands."""
LARGE_FRAME_BYTES = 32 * 1024
"""Frames from this size on get their own buffer before they are received."""
FIRST_LARGE_BUFFER_BYTES = 128 * 1024
"""What a large frame's buffer begins with."""
BUFFER_GROWTH = 8
"""How many times larger it becomes when it is full."""
MOST_BUFFER_GROWTH_BYTES = 4 * 1024 * 1024

_LENGTH = struct.Struct(">i")
_OTHER_PROTOCOLS = {
    b"\x16\x03": "TLS: security.protocol is SSL or SASL_SSL there, and without SSL here",
    **dict.fromkeys(
        (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PRI "),
        "HTTP, which has a port of its own",
    ),
}
"""What else a connection may begin with, and what is told of it."""
_HEADER_MINIMUM = 8
"""Api key, version and correlation id: the least a request consists of."""

_NO_TAGS = b"\0"
_FIXED_HEADER = struct.Struct(">hhih")


class RequestHeader(NamedTuple):
    """Header that stands before every request body."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


def valid_versions(api_key: int) -> VersionRange:
    """Return the versions that can be read and written; an empty range for an unknown API."""
    head = api_heads().get(api_key)
    return NO_VERSIONS if head is None else head[1]


def api_name(api_key: int) -> str:
    """Return Kafka's name of an API, as in ``Produce``; ``ApiKey 99`` for an unknown one."""
    head = api_heads().get(api_key)
    if head is not None:
        return head[0]
    try:
        return ApiKey(api_key).name.title().replace("_", "")
    except ValueError:
        return f"ApiKey {api_key}"


@cache
def holds_bytes(api_key: int) -> bool:
    """Tell whether requests of an API bring bytes or records, and not only names and numbers."""
    schema = api_schema(api_key)
    return schema is not None and _has_bytes(schema.request.root)


def _has_bytes(struct: StructSchema) -> bool:
    return any(
        field.type in ("bytes", "rec") or (field.struct is not None and _has_bytes(field.struct))
        for field in struct.fields
    )


def _schema(api_key: int, version: int) -> ApiSchema:
    schema = api_schema(api_key)
    if schema is None or version not in schema.request.versions:
        raise LookupError(f"{api_name(api_key)} has no version {version}")
    return schema


@cache
def request_decoder(api_key: int, version: int) -> Decoder:
    """Return the function that reads a request body: ``decode(data, offset=0)``.

    This and the next three raise LookupError when there is no such API or version.
    """
    return compiler.message_decoder(_schema(api_key, version).request, version)


@cache
def request_encoder(api_key: int, version: int) -> Encoder:
    """Return the function that writes a request body."""
    return compiler.message_encoder(_schema(api_key, version).request, version)


@cache
def response_decoder(api_key: int, version: int) -> Decoder:
    """Return the function that reads a response body: ``decode(data, offset=0)``."""
    return compiler.message_decoder(_schema(api_key, version).response, version)


@cache
def response_encoder(api_key: int, version: int) -> Encoder:
    """Return the function that writes a response body."""
    return compiler.message_encoder(_schema(api_key, version).response, version)


def decode_request(api_key: int, version: int, data: memoryview, offset: int = 0) -> Any:
    """Return the request whose body starts at ``offset``; bytes behind it are ignored.

    ``records`` in it are views of ``data``.

    Raises:
        DecodeError: the bytes are no such request, or there is no such API or version.
    """
    try:
        return request_decoder(api_key, version)(data, offset)
    except LookupError as error:
        raise DecodeError(offset, str(error)) from None


def decode_response(api_key: int, version: int, data: memoryview, offset: int = 0) -> Any:
    """Return the response whose body starts at ``offset``, as :func:`decode_request` does."""
    try:
        return response_decoder(api_key, version)(data, offset)
    except LookupError as error:
        raise DecodeError(offset, str(error)) from None


def encode_request(api_key: int, version: int, message: Any) -> list[Buffer]:
    """Return the buffers of a request body; large record batches are not copied.

    Raises:
        EncodeError: the message cannot be written, or there is no such API or version.
    """
    try:
        return request_encoder(api_key, version)(message)
    except LookupError as error:
        raise EncodeError(str(error)) from None


def encode_response(api_key: int, version: int, message: Any) -> list[Buffer]:
    """Return the buffers of a response body, as :func:`encode_request` does."""
    try:
        return response_encoder(api_key, version)(message)
    except LookupError as error:
        raise EncodeError(str(error)) from None


@cache
def _has_tagged_request_header(api_key: int, version: int) -> bool:
    """Tell whether requests of this API and version, if there are any, have header v2."""
    schema = api_schema(api_key)
    if schema is None or version not in schema.request.versions:
        return False
    return schema.request.is_flexible(version)


@cache
def _has_tagged_response_header(api_key: int, version: int) -> bool:
    """Tell whether responses have header v1. Those of ApiVersions never have (KIP-511)."""
    return api_key != ApiKey.API_VERSIONS and _has_tagged_request_header(api_key, version)


def decode_request_header(data: memoryview) -> tuple[RequestHeader, int]:
    """Return a frame's header and the offset of the body.

    Of an unknown API or version only the part that never changes is read, so that the
    caller can decide what to answer; the offset is then the one after the client id.

    Raises:
        DecodeError: the frame is too short, or the header is not valid.
    """
    try:
        api_key, version, correlation_id, length = _FIXED_HEADER.unpack_from(data, 0)
    except struct.error:
        raise DecodeError(0, "the frame is too short for a request header") from None
    offset = _FIXED_HEADER.size
    client_id = None
    if 0 <= length <= len(data) - offset:
        try:
            client_id = str(data[offset : offset + length], "utf-8")
        except UnicodeDecodeError:
            raise DecodeError(offset, "client_id is not UTF-8") from None
        offset += length
    else:
        null_or_error(offset, length, len(data), "client_id", nullable=True)
    if _has_tagged_request_header(api_key, version):
        if data[offset : offset + 1] == _NO_TAGS:
            return RequestHeader(api_key, version, correlation_id, client_id), offset + 1
        try:
            offset, _ = skip_tagged_fields(data, offset + 1, data[offset], len(data))
        except IndexError:
            raise DecodeError(offset, "the request header ends too early") from None
    return RequestHeader(api_key, version, correlation_id, client_id), offset


def encode_response_header(api_key: int, version: int, correlation_id: int) -> bytes:
    """Return the header of a response: the correlation id, and from v1 no tagged fields."""
    header = correlation_id.to_bytes(4, "big", signed=True)
    return header + b"\0" if _has_tagged_response_header(api_key, version) else header


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

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Return where the next bytes from the socket belong; never empty."""
        if self._large is not None:
            if self._large_filled == len(self._large):
                self._grow(self._large)
            return memoryview(self._large)[self._large_filled :]
        if self._end == len(self._shared):
            self._move_to_front()
        return memoryview(self._shared)[self._end :]

    def _grow(self, full: bytearray) -> None:
        wanted = min(len(full) * BUFFER_GROWTH, len(full) + MOST_BUFFER_GROWTH_BYTES)
        more = bytes(min(wanted, self.large_bytes) - len(full))
        try:
            full += more
        except BufferError:  # the event loop still holds a view of it
            self._large = full + more

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
        first = _LENGTH.pack(length)
        if other := _OTHER_PROTOCOLS.get(first) or _OTHER_PROTOCOLS.get(first[:2]):
            raise DecodeError(0, f"the client speaks {other}")
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


def response_frame(api_key: int, version: int, correlation_id: int, message: Any) -> list[Buffer]:
    """Return the buffers of a response and all that stands before it, small ones joined.

    Raises:
        EncodeError: the message cannot be written, or there is no such API or version.
    """
    header = encode_response_header(api_key, version, correlation_id)
    return framed(header, encode_response(api_key, version, message))


def framed(header: bytes, body: list[Buffer]) -> list[Buffer]:
    """Return the buffers of a frame, small ones joined."""
    prefix = _LENGTH.pack(len(header) + sum(map(len, body))) + header
    if len(prefix) + sum(map(len, body)) < RECEIVE_BUFFER_BYTES:
        return [b"".join((prefix, *body))]
    return [prefix, *body]
