"""Requests made wrong: methods, paths, headers and bodies, and how they are cut into pieces."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgpack

from fuzzing.requests_corpus import Request

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "X", "PRI")
WORDS = (
    *("", " ", "0", "-1", "1", "2147483648", "99999999999999999999999", "1e999", "NaN", "null"),
    *(
        "latest",
        "earliest",
        "-5m",
        "true",
        "..",
        "%00",
        "\0",
        "%",
        "%zz",
        "%ff",
        "\udcff",
        "ü",
        "*",
    ),
    *(":.ctx:s", ":*:", "-", "{}", "[", "'", '"', "<b>", "a" * 300, "é" * 5000, "\r\n", "orders"),
    *("orders-value", "billing", "value.total > 100", "((((", "0:0,1:5", "orders[0]@0", "1.5"),
    *("2026-01-01T00:00:00Z", "9999-99-99", "__consumer_offsets", "_schemas", "select 1", "🙂"),
)
NUMBERS = (0, 1, -1, 2**31 - 1, 2**31, -(2**63), 2**63, 2**64, 10**30, 0.5, -0.0, 1e308)
HEADERS = (
    ("Accept", "application/msgpack"),
    ("Accept", "application/x-ndjson"),
    ("Accept", "text/event-stream"),
    ("Accept", "application/vnd.kafka.avro.v2+json"),
    ("Accept", "application/vnd.kafka.binary.v2+json"),
    ("Accept", "application/vnd.kafka.protobuf.v2+json"),
    ("Accept", "*/*;q=x,,;"),
    ("Accept-Encoding", "gzip, br, zstd, *;q=0"),
    ("Authorization", "Basic ????"),
    ("Authorization", "Bearer \x7f"),
    ("Connection", "Upgrade"),
    ("Connection", "close"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "deflate"),
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "application/json; charset=nonsense"),
    ("Content-Type", "application/msgpack"),
    ("Content-Type", "application/vnd.kafka.avro.v2+json"),
    ("Content-Type", "application/vnd.kafka.binary.v2+json"),
    ("Content-Type", "application/vnd.kafka.json.v2+json"),
    ("Content-Type", "application/vnd.kafka.protobuf.v2+json"),
    ("Content-Type", "application/x-ndjson"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "multipart/form-data; boundary=x"),
    ("Content-Type", ";;;"),
    ("Cookie", 'a="\\777"; ;=; fakebus_form=\udcff'),
    ("Expect", "100-continue"),
    ("Host", "evil.example.com"),
    ("Host", "[::1"),
    ("If-None-Match", '"x'),
    ("Last-Event-ID", "0:5,1:x"),
    ("Last-Event-ID", "0:99999999999999999999"),
    ("Origin", "null"),
    ("Range", "bytes=0-1,5-"),
    ("Sec-Fetch-Site", "cross-site"),
    ("Upgrade", "websocket"),
    ("User-Agent", "\udcff" * 300),
    ("X", "x" * 9000),
)
SCHEMAS = (
    '"string"',
    '{"type":"record","name":"R","fields":[{"name":"r","type":["null","R"],"default":null}]}',
    '{"type":"enum","name":"E","symbols":["A","A"]}',
    '{"type":"array","items":{"type":"map","values":"bytes"}}',
    'syntax = "proto3"; message M { M m = 1; map<string, M> n = 2; oneof o { int32 a = 3; } }',
    '{"type":"object","properties":{"a":{"$ref":"#/properties/a"}},"pattern":"(a+)+$"}',
    '{"$ref":"#"}',
)
SIZES = (2, 50, 3000)
DEPTHS = (10, 400, 3000)
MOST_REPEATED_BYTES = 4_000_000
"""Of what is repeated, so that no request takes so long to make that others time out."""


class Sent(NamedTuple):
    """What goes out by a connection."""

    pieces: list[bytes]
    """Bytes, with a pause after each piece."""
    is_whole: bool
    """Whether it is HTTP that has an end, so that there has to be an answer."""
    name: str
    """Method and path, for messages."""


class RequestMutator:
    """Source of mutated requests.

    Args:
        requests: what to begin with.
        choice: chance; the same seed gives the same requests.
    """

    def __init__(self, requests: Sequence[Request], choice: random.Random) -> None:
        self._requests = requests
        self._choice = choice

    def request(self) -> Sent:
        """Return the next request, changed in a few ways, or not at all."""
        choice = self._choice
        request = choice.choice(self._requests)
        for _ in range(choice.choice((0, 1, 1, 2, 4))):
            change = choice.choice(
                (self._method, self._path, self._query, self._header, *(self._body,) * 6)
            )
            request = change(request)
        return self._framed(request)

    def _method(self, request: Request) -> Request:
        if self._choice.random() < 0.7:
            return request
        return request._replace(method=self._choice.choice(METHODS))

    def _word(self) -> str:
        word = self._choice.choice(WORDS)
        if self._choice.random() < 0.7:
            return quote(word, safe="", errors="surrogateescape")
        return word.replace(" ", "%20").replace("\r\n", "%0d%0a").replace("\0", "%00")

    def _path(self, request: Request) -> Request:
        choice = self._choice
        path, _, query = request.path.partition("?")
        parts = path.split("/")
        at = choice.randrange(1, len(parts)) if len(parts) > 1 else 0
        kind = choice.random()
        if kind < 0.6:
            parts[at] = self._word()
        elif kind < 0.75:
            del parts[at]
        elif kind < 0.9:
            parts.insert(at, self._word())
        else:
            parts = choice.choice(self._requests).path.partition("?")[0].split("/")
        return request._replace(path=("/".join(parts) or "/") + (f"?{query}" if query else ""))

    def _query(self, request: Request) -> Request:
        choice = self._choice
        path, _, query = request.path.partition("?")
        pairs = query.split("&") if query else []
        other = choice.choice(self._requests).path.partition("?")[2].split("&")
        names = [pair.partition("=")[0] for pair in (*pairs, *other)]
        if pairs and choice.random() < 0.3:
            pairs.remove(choice.choice(pairs))
        else:
            pairs.append(f"{choice.choice(names) or 'limit'}={self._word()}")
        choice.shuffle(pairs)
        return request._replace(path=f"{path}?{'&'.join(pairs)}")

    def _header(self, request: Request) -> Request:
        choice = self._choice
        headers = list(request.headers)
        if headers and choice.random() < 0.3:
            headers.remove(choice.choice(headers))
        else:
            new = choice.choice(HEADERS)
            if choice.random() < 0.7:
                headers = [each for each in headers if each[0].lower() != new[0].lower()]
            headers.append(new)
        return request._replace(headers=tuple(headers))

    def _body(self, request: Request) -> Request:
        choice = self._choice
        body, kind = request.body, choice.random()
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            if b"=" in body and kind < 0.7:
                return request._replace(body=self._form(body))
            return request._replace(body=self._bytes(body))
        if kind < 0.65:
            value = self._changed(value)
            if choice.random() < 0.1:
                return _labelled(request, _packed(value), "application/msgpack")
            if choice.random() < 0.1:
                many = self._times(value, (1, 3, 100))
                lines = [self._changed(value) for _ in range(many)]
                text = "\n".join(map(json.dumps, lines)).encode()
                return _labelled(request, text, "application/x-ndjson")
            return request._replace(body=json.dumps(value).encode())
        if kind < 0.75:
            deep = choice.choice(DEPTHS)
            inner = choice.choice((b"[", b'{"a":'))
            return request._replace(
                body=inner * deep + body + (b"]" if inner == b"[" else b"}") * deep
            )
        return request._replace(body=self._bytes(body))

    def _form(self, body: bytes) -> bytes:
        pairs = body.split(b"&")
        name = self._choice.choice(pairs).partition(b"=")[0]
        if name != b"token" or self._choice.random() < 0.2:
            pairs = [pair for pair in pairs if pair.partition(b"=")[0] != name]
            pairs.append(name + b"=" + self._word().encode("utf-8", "surrogateescape"))
        return b"&".join(pairs)

    def _bytes(self, body: bytes) -> bytes:
        choice = self._choice
        at = choice.randrange(len(body) + 1)
        return choice.choice(
            (
                body[:at] + choice.randbytes(1) + body[at + 1 :],
                body[:at],
                body[:at] + body[at : at + 30] * choice.choice(SIZES) + body[at:],
                body.decode("utf-8", "replace").encode("utf-16"),
                b"\xef\xbb\xbf" + body,
                body[:at] + choice.choice(self._requests).body[at:],
            )
        )

    def _changed(self, value: Any) -> Any:
        """Change one value somewhere inside, also in JSON that stands in a text."""
        choice = self._choice
        if isinstance(value, dict) and value and choice.random() < 0.85:
            name = choice.choice(list(value))
            kind = choice.random()
            if kind < 0.08:
                return {key: each for key, each in value.items() if key != name}
            if kind < 0.14:
                return {**value, choice.choice(WORDS): value[name]}
            return {**value, name: self._changed(value[name])}
        if isinstance(value, list) and value and choice.random() < 0.85:
            at = choice.randrange(len(value))
            if choice.random() < 0.1:
                return value * self._times(value, SIZES)
            return [*value[:at], self._changed(value[at]), *value[at + 1 :]]
        if isinstance(value, str) and value[:1] in ("{", "[", '"') and choice.random() < 0.8:
            try:
                return json.dumps(self._changed(json.loads(value)))
            except (ValueError, RecursionError):
                return self._bytes(value.encode()).decode("utf-8", "replace")
        return self._other()

    def _times(self, value: Any, choices: Sequence[int]) -> int:
        """Return how often a value is repeated."""
        return min(self._choice.choice(choices), MOST_REPEATED_BYTES // len(json.dumps(value)) + 1)

    def _other(self) -> Any:
        choice = self._choice
        return choice.choice(
            (
                choice.choice(WORDS),
                choice.choice(WORDS),
                choice.choice(NUMBERS),
                choice.choice(SCHEMAS),
                base64.b64encode(b"\0\0\0\0\1" + choice.randbytes(9)).decode(),
                base64.b64encode(choice.randbytes(30)).decode()[:-1],
                None,
                [],
                {},
                True,
                "x" * 100_000,
                float("inf"),
                {"a": {"b": [None]}},
            )
        )

    def _framed(self, request: Request) -> Sent:
        """Cut it into pieces, with a length, in chunks, or with neither as it should be."""
        choice = self._choice
        method, path, _, body = request
        name = f"{method} {path}"[:200]
        head = request.head()[:-2] + b"Host: localhost\r\n"
        kind = choice.random()
        if kind < 0.8:
            data = b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)
            return Sent(self._pieces(data), is_whole=True, name=name)
        if kind < 0.92:
            chunks = b"".join(
                b"%x\r\n%s\r\n" % (len(part), part)
                for part in self._cut(body, choice.choice((1, 5)))
            )
            data = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
            return Sent(self._pieces(data), is_whole=True, name=name)
        frames = (
            b"Content-Length: %d\r\n\r\n"
            % choice.choice((-1, 0, 1, len(body) + 5, 10**12, 10**30)),
            b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n5;x=%s\r\n" % (b"y" * 9000),
            b"Transfer-Encoding: gzip, chunked\r\n\r\n",
            b"\r\n",
            b": empty\r\n\r\n",
            b"X: \x00\r\n\r\n",
        )
        data = head + choice.choice(frames) + body
        return Sent(self._pieces(data), is_whole=False, name=name)

    def _pieces(self, data: bytes) -> list[bytes]:
        return [data] if self._choice.random() < 0.8 else self._cut(data, 4)

    def _cut(self, data: bytes, most: int) -> list[bytes]:
        places = sorted(self._choice.randrange(len(data) + 1) for _ in range(most - 1))
        parts = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
        return [part for part in parts if part]


def _labelled(request: Request, body: bytes, label: str) -> Request:
    headers = [each for each in request.headers if each[0].lower() != "content-type"]
    return request._replace(headers=(*headers, ("Content-Type", label)), body=body)


def _packed(value: Any) -> bytes:
    try:
        return bytes(msgpack.packb(value))
    except (OverflowError, ValueError, UnicodeEncodeError):
        return b"\x81\xa1a\xdf\xff\xff\xff\xff"
