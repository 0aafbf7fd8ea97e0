"""Turns definitions into functions, on first use of each version.

Versions whose bytes are laid out alike share a function.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Protocol

from fakebus.protocol import primitives
from fakebus.protocol.decoder_source import decoder_source
from fakebus.protocol.encoder_source import encoder_source
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.schema import MessageSchema
from fakebus.types import ZERO_UUID, Buffer


class Decoder(Protocol):
    """Reads one version of one message; raises nothing but ``DecodeError``."""

    def __call__(self, data: memoryview, offset: int = 0, /) -> Any:
        """Return the message that starts at ``offset``; bytes behind it are left alone."""


Encoder = Callable[[Any], list[Buffer]]
"""Writes one version of one message; raises nothing but ``EncodeError``."""

_NAMESPACE: dict[str, Any] = {
    **{name: getattr(primitives, name) for name in vars(primitives) if not name.startswith("__")},
    "DecodeError": DecodeError,
    "EncodeError": EncodeError,
    "StructError": struct.error,
    "VALUE_ERRORS": (struct.error, AttributeError, TypeError, ValueError, OverflowError),
    "ZERO_UUID": ZERO_UUID,
    "new": object.__new__,
    "pack": struct.pack,
    "unpack_from": struct.unpack_from,
}

_decoders: dict[tuple[str, int], Decoder] = {}
_encoders: dict[tuple[str, int], Encoder] = {}


def _key(schema: MessageSchema, version: int) -> tuple[str, int]:
    """Return the message's name and the first version that is laid out like this one."""
    versions = schema.layout_versions
    return schema.root.name, versions[bisect_right(versions, version) - 1]


def _compile(source: str, name: str, key: tuple[str, int]) -> Any:
    code = compile(source, f"<{name} {key[0]} v{key[1]}>", "exec")
    made: dict[str, Any] = {}  # not in the namespace: another thread may be compiling too
    exec(code, _NAMESPACE, made)  # noqa: S102 - made from our own definitions
    return made[name]


def message_decoder(schema: MessageSchema, version: int) -> Decoder:
    """Return the function that reads a message of this version."""
    key = _key(schema, version)
    if key not in _decoders:
        source = decoder_source(schema, key[1], _NAMESPACE)
        _decoders[key] = _compile(source, "decode", key)
    return _decoders[key]


def message_encoder(schema: MessageSchema, version: int) -> Encoder:
    """Return the function that writes a message in this version."""
    key = _key(schema, version)
    if key not in _encoders:
        source = encoder_source(schema, key[1], _NAMESPACE)
        _encoders[key] = _compile(source, "encode", key)
    return _encoders[key]
