"""Requests and responses between bytes and messages: the door to this package.

Nothing here knows sockets or the broker. A frame is what follows its four length bytes:
:func:`decode_request_header` reads the header and says where the body starts,
:func:`decode_request` reads the body; :func:`encode_response_header` and
:func:`encode_response` go the other way. The remaining functions are the client's side.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, NamedTuple

from fakebus.protocol import compiler
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.compiler import Decoder, Encoder
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.primitives import null_or_error, skip_tagged_fields
from fakebus.protocol.schema import ApiSchema, api_heads, api_schema
from fakebus.protocol.versions import NO_VERSIONS, VersionRange
from fakebus.types import Buffer

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


def _schema(api_key: int, version: int) -> ApiSchema:
    schema = api_schema(api_key)
    if schema is None or version not in schema.request.versions:
        raise LookupError(f"{api_name(api_key)} has no version {version}")
    return schema


@cache
def request_decoder(api_key: int, version: int) -> Decoder:
    """Return the function that reads a request body: ``decode(data, offset=0)``.

    Raises:
        LookupError: there is no such API or version.
    """
    return compiler.message_decoder(_schema(api_key, version).request, version)


@cache
def request_encoder(api_key: int, version: int) -> Encoder:
    """Return the function that writes a request body.

    Raises:
        LookupError: there is no such API or version.
    """
    return compiler.message_encoder(_schema(api_key, version).request, version)


@cache
def response_decoder(api_key: int, version: int) -> Decoder:
    """Return the function that reads a response body: ``decode(data, offset=0)``.

    Raises:
        LookupError: there is no such API or version.
    """
    return compiler.message_decoder(_schema(api_key, version).response, version)


@cache
def response_encoder(api_key: int, version: int) -> Encoder:
    """Return the function that writes a response body.

    Raises:
        LookupError: there is no such API or version.
    """
    return compiler.message_encoder(_schema(api_key, version).response, version)


def decode_request(api_key: int, version: int, data: memoryview, offset: int = 0) -> Any:
    """Return the request whose body starts at ``offset``; bytes behind it are ignored.

    ``records`` in it are views of ``data``.

    Raises:
        DecodeError: the bytes are no such request, or there is no such API or version.
    """
    try:
        decode = request_decoder(api_key, version)
    except LookupError as error:
        raise DecodeError(offset, str(error)) from None
    return decode(data, offset)


def decode_response(api_key: int, version: int, data: memoryview, offset: int = 0) -> Any:
    """Return the response whose body starts at ``offset``; bytes behind it are ignored.

    Raises:
        DecodeError: the bytes are no such response, or there is no such API or version.
    """
    try:
        decode = response_decoder(api_key, version)
    except LookupError as error:
        raise DecodeError(offset, str(error)) from None
    return decode(data, offset)


def encode_request(api_key: int, version: int, message: Any) -> list[Buffer]:
    """Return the buffers of a request body; large record batches are not copied.

    Raises:
        EncodeError: the message cannot be written, or there is no such API or version.
    """
    try:
        encode = request_encoder(api_key, version)
    except LookupError as error:
        raise EncodeError(str(error)) from None
    return encode(message)


def encode_response(api_key: int, version: int, message: Any) -> list[Buffer]:
    """Return the buffers of a response body; large record batches are not copied.

    Raises:
        EncodeError: the message cannot be written, or there is no such API or version.
    """
    try:
        encode = response_encoder(api_key, version)
    except LookupError as error:
        raise EncodeError(str(error)) from None
    return encode(message)


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
            offset = skip_tagged_fields(data, offset + 1, data[offset], len(data))
        except IndexError:
            raise DecodeError(offset, "the request header ends too early") from None
    return RequestHeader(api_key, version, correlation_id, client_id), offset


def encode_response_header(api_key: int, version: int, correlation_id: int) -> bytes:
    """Return the header of a response: the correlation id, and from v1 no tagged fields."""
    header = correlation_id.to_bytes(4, "big", signed=True)
    return header + b"\0" if _has_tagged_response_header(api_key, version) else header
