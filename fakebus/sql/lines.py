"""Records as lines of JSON in files, part by part, from which the engine loads them.

A key and a value that are text come as they are, and the engine finds out whether they are JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from fakebus.schemas.framing import HEADER_SIZE
from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.payloads import SchemaSource, decode

PART_BYTES = 16 * 1024 * 1024
_USUAL_BYTES = 1024 * 1024
_MOST_WAITING = 2
"""Parts that are written and not yet loaded."""
_MOST_DECODERS = 1000

Headers = Sequence[tuple[str, bytes | None]]
Load = Callable[[Path, int], None]
"""Loads a file whose lines have at most so many bytes."""


class TopicLines:
    """Lines of a topic's records; for one thread at a time.

    Args:
        topic: which.
        path: where a part is until it is loaded, but for its number.
        schemas: where the schemas are that keys and values name.
        load: loads a part; called in a thread of the lines' own, while others are still read.
    """

    def __init__(
        self, topic: str, path: Path, schemas: SchemaSource[Any] | None, load: Load
    ) -> None:
        self.topic = topic
        self._path = path
        self._schemas = None if schemas is None else cache(schemas)
        self._decoders: dict[bytes, Callable[[bytes], object]] = {}
        """By what values with a schema begin with, of those that have been decoded."""
        self._load = load
        self._lines: list[str] = []
        self._size = 0
        self._parts = 0
        self._thread = ThreadPoolExecutor(1, "fakebus sql")
        self._waiting: list[Future[None]] = []

    def add(
        self,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Add a record."""
        line = (
            f'{{"p":{partition},"o":{offset},"t":{timestamp_ms},"k":{self._key(key)}'
            f"{self._value(value)}"
        )
        if headers:
            line += f',"h":{_headers(headers)}'
        self._lines.append(line)
        self._size += len(line)
        if self._size > PART_BYTES:
            self._hand_over()

    def _key(self, key: bytes | None) -> str:
        if key is None:
            return "null"
        if key[:1] != b"\0":
            try:
                return encode_basestring(key.decode())
            except UnicodeDecodeError:
                pass
        found = decode(key, self._schemas, topic=self.topic, is_key=True)
        if isinstance(found.data, bytes):
            return encode_basestring(base64.b64encode(key).decode())
        return encode_basestring(found.data if isinstance(found.data, str) else _json(found.data))

    def _value(self, value: bytes | None) -> str:
        if value is None:
            return ""
        if value[:1] != b"\0":
            try:
                return f',"v":{encode_basestring(value.decode())}'
            except UnicodeDecodeError:
                pass
        head = value[:HEADER_SIZE]
        if head in self._decoders:
            try:
                return f',"d":{_json(self._decoders[head](value[HEADER_SIZE:]))}'
            except SchemaDataError:
                pass
        found = decode(value, self._schemas, topic=self.topic)
        if found.format == "binary" or (found.schema is None and found.schema_id is not None):
            return f',"u":{encode_basestring(base64.b64encode(value).decode())}'
        if found.schema is not None and len(self._decoders) < _MOST_DECODERS:
            self._decoders[head] = found.schema.parsed.decode
        return f',"d":{_json(found.data)}'

    def _hand_over(self) -> None:
        path = self._path.with_name(f"{self._path.name}-{self._parts}.ndjson")
        lines, self._lines, self._size = self._lines, [], 0
        self._parts += 1
        while len(self._waiting) >= _MOST_WAITING:
            self._waiting.pop(0).result()
        self._waiting.append(self._thread.submit(self._write, path, lines))

    def _write(self, path: Path, lines: list[str]) -> None:
        lines.append("")
        # The reader makes room for lines of this size.
        longest = max(_USUAL_BYTES, 4 * max(map(len, lines)))
        path.write_text("}\n".join(lines), encoding="utf-8")
        lines.clear()
        self._load(path, longest)
        path.unlink()

    def finish(self) -> None:
        """Let what is left be loaded, and return when all is."""
        if self._lines or not self._parts:
            self._hand_over()
        for each in self._waiting:
            each.result()
        self.close()

    def close(self) -> None:
        """Let go of the thread; what is not loaded yet is left out."""
        self._thread.shutdown(cancel_futures=True)


def _plain(data: object) -> str:
    if isinstance(data, bytes):
        return base64.b64encode(data).decode()
    return str(data)


def _encoder() -> Callable[[object], str]:
    """Return what makes JSON of data; an encoder of json makes one for each of millions."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(ensure_ascii=False, default=_plain, check_circular=False).encode
    encode = make(None, _plain, encode_basestring, None, ":", ",", False, False, True)
    return lambda data: "".join(encode(data, 0))


_json = _encoder()


def _headers(headers: Headers) -> str:
    # Of those of one name the last one counts.
    found = {
        name: None if data is None else data.decode("utf-8", "backslashreplace")
        for name, data in headers
    }
    return json.dumps(found, ensure_ascii=False)
