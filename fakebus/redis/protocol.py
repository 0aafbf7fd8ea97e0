"""RESP, the protocol of Redis: requests in, answers out, bounded.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2 and RESP3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Union

MAX_ARGUMENTS = 65_536
MAX_BULK_BYTES = 64 * 1024 * 1024
"""Of one word, and of all the words of a request together."""
PIECE_BYTES = 64 * 1024
"""So much of an answer is written at once, in some 20 microseconds."""
_DEPTH = 3
"""Answers are cut no deeper than between the entries of several streams."""
_MAX_LINE = 64 * 1024
WORD_OVERHEAD = 48
"""What Python adds to the bytes of a word, and the list that holds it."""
_CRLF = b"\r\n"
_INLINE_WORD = re.compile(
    rb"""
    \s*+ (?: ([^ \t\r\n"']++) (?= [ \t\r\n] | $ )  # a word without quotes, or one
           | ([^ \t\r\n"']*+)                      # that ends with a pair of them
             (?: " ((?: \\. | [^"\\] )*+) " | ' ((?: \\' | [^'] )*+) ' ) (?= \s | $ ) )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}

Reply = Union[None, bool, int, str, bytes, "RedisError", "Status", Sequence["Reply"], "Map"]


class ProtocolError(Exception):
    """The bytes are not RESP; the connection cannot go on."""


class CrossProtocolError(ProtocolError):
    """The bytes are HTTP: a web page, or a client on the wrong port, and nothing is carried out."""


class RedisError(Exception):
    """An error answer; the text begins with its kind, such as ``NOGROUP``."""


class Status(str):
    """A simple string such as ``OK``."""

    __slots__ = ()


class Map(dict[str, Reply]):
    """Names and values; a flat list in RESP2."""


class Parser:
    """Takes bytes and gives whole requests; a request is a list of its words."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._words: list[bytes] = []
        self._missing = 0
        self._room = MAX_BULK_BYTES

    @property
    def held_bytes(self) -> int:
        """The memory of what has come of the next request."""
        words = MAX_BULK_BYTES - self._room + WORD_OVERHEAD * len(self._words)
        return len(self._buffer) + words

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """Yield every request that is complete now.

        Raises:
            ProtocolError: the bytes are not a request.
        """
        self._buffer += data
        while True:
            request = self._next()
            if request is None:
                return
            if request:
                _refuse_http(request)
                yield request

    def _next(self) -> list[bytes] | None:
        if not self._missing:
            line = self._line()
            if line is None:
                return None
            if not line.startswith(b"*"):
                # An inline command, as people type them with netcat.
                words = _inline_words(line)
                if len(words) == 3 and words[2].startswith(b"HTTP/"):
                    raise CrossProtocolError("this is HTTP, and Redis is served here")
                return words
            self._missing = 0 if line.startswith(b"*-") else _number(line, MAX_ARGUMENTS)
            self._words, self._room = [], MAX_BULK_BYTES
        while self._missing:
            word = self._bulk()
            if word is None:
                return None
            self._words.append(word)
            self._missing -= 1
        words, self._words = self._words, []
        self._room = MAX_BULK_BYTES
        return words

    def _line(self) -> bytes | None:
        # As in Redis, a person's line may end without a carriage return.
        end = self._buffer.find(b"\n", 0, _MAX_LINE)
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                raise ProtocolError("too big inline request")
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return line

    def _bulk(self) -> bytes | None:
        if self._buffer and not self._buffer.startswith(b"$"):
            raise ProtocolError(f"expected '$', got {bytes(self._buffer[:1])!r}")
        end = self._buffer.find(_CRLF, 0, _MAX_LINE)
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                raise ProtocolError("too big bulk count string")
            return None
        size = _number(bytes(self._buffer[:end]), self._room)
        begin = end + 2
        if len(self._buffer) < begin + size + 2:
            return None
        word = bytes(self._buffer[begin : begin + size])
        del self._buffer[: begin + size + 2]
        self._room -= size
        return word


def _inline_words(line: bytes) -> list[bytes]:
    """Return the words of an inline command, which may stand in quotes as in redis-cli.

    Raises:
        ProtocolError: a quote is not closed, or something follows behind one that closes.
    """
    words, position, end = list[bytes](), 0, len(line.rstrip())
    while position < end:
        found = _INLINE_WORD.match(line, position)
        if found is None:
            raise ProtocolError("unbalanced quotes in request")
        word, begun, double, single = found.groups(b"")
        quoted = _ESCAPE.sub(_unescape, double) + single.replace(b"\\'", b"'")
        words.append(word or begun + quoted)
        position = found.end()
    return words


def _unescape(found: re.Match[bytes]) -> bytes:
    code, letter = found.groups()
    return bytes.fromhex(code.decode()) if code else _ESCAPED.get(letter, letter)


def size_in_memory(words: Sequence[bytes]) -> int:
    """Return about how many bytes the words of a request take."""
    return sum(map(len, words)) + WORD_OVERHEAD * len(words)


def _refuse_http(words: Sequence[bytes]) -> None:
    # A page may send any port the body of a form, where each line would be an inline command.
    # Redis ends the connection at these two words; every HTTP request has the second one.
    if words[0].upper() in (b"POST", b"HOST:"):
        raise CrossProtocolError("this is HTTP, and Redis is served here")


def _number(line: bytes, limit: int) -> int:
    digits = line[1:]
    if not digits.isdigit() or len(digits) > 10 or int(digits) > limit:
        raise ProtocolError("invalid bulk length")
    return int(digits)


def encode(reply: Reply, *, version: int = 2) -> bytes:
    """Return an answer's bytes.

    Args:
        reply: text and bytes become bulk strings, ``None`` the null of the version.
        version: 2 or 3, as the client chose with HELLO.
    """
    return b"".join(pieces(reply, version=version))


def pieces(reply: Reply, *, version: int = 2) -> Iterator[bytes]:
    """Yield an answer's bytes, a large one in pieces of :data:`PIECE_BYTES` or an item more.

    Args:
        reply: see :func:`encode`.
        version: likewise.
    """
    out = bytearray()
    yield from _pieces(out, reply, version, _DEPTH)
    yield bytes(out)


def _pieces(out: bytearray, reply: Reply, version: int, depth: int) -> Iterator[bytes]:
    if not depth or not isinstance(reply, list | tuple | Map):
        _write(out, reply, version)
        return
    out += _head_of(reply, version)
    parts = (part for pair in reply.items() for part in pair) if isinstance(reply, Map) else reply
    for part in parts:
        yield from _pieces(out, part, version, depth - 1)
        if len(out) >= PIECE_BYTES:
            yield bytes(out)
            out.clear()


def _write(out: bytearray, reply: Reply, version: int) -> None:
    match reply:
        case None:
            out += b"_\r\n" if version == 3 else b"$-1\r\n"
        case RedisError():
            out += b"-" + _one_line(str(reply)) + _CRLF
        case Status():
            out += b"+" + _one_line(reply) + _CRLF
        case bool() | int():
            out += b":%d\r\n" % reply
        case str() | bytes():
            data = reply.encode() if isinstance(reply, str) else reply
            out += b"$%d\r\n%b\r\n" % (len(data), data)
        case Map():
            out += _head_of(reply, version)
            for name, value in reply.items():
                _write(out, name, version)
                _write(out, value, version)
        case _:
            out += _head_of(reply, version)
            for item in reply:
                _write(out, item, version)


def _head_of(reply: Sequence[Reply] | Map, version: int) -> bytes:
    if isinstance(reply, Map):
        return b"%%%d\r\n" % len(reply) if version == 3 else b"*%d\r\n" % (2 * len(reply))
    return b"*%d\r\n" % len(reply)


def _one_line(text: str) -> bytes:
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")
