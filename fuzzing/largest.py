"""The largest legal requests of every API, and how long each keeps the event loop.

    python -m fuzzing.largest [--limit-ms 100] [NAME...]

Every array of every request in turn is made as long as a request may be, of elements that are
small, known to the bus, all different, or long. What one turn of the loop costs is measured as the
processor time of its thread, so that a machine which is busy otherwise does not matter.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import struct
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.broker.topic_admin import MAX_NEW_PARTITIONS
from fakebus.config import Settings
from fakebus.kafka.served import SERVED
from fakebus.protocol.primitives import MAX_ELEMENTS
from fakebus.protocol.schema import FieldSchema, StructSchema, api_schema
from fakebus.protocol.struct_classes import struct_class
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fuzzing.corpus import frame_of, read_exactly
from fuzzing.measured import MeasuredLoop

CONFIGS = {"group.min.session.timeout.ms": "10", "group.initial.rebalance.delay.ms": "0"}
LONG_BYTES = 32_000
MOST_BYTES = 16_000_000
_FIXED = {"acks": -1, "num_partitions": 1, "count": 1, "replication_factor": 1} | dict.fromkeys(
    ("timeout_ms", "max_wait_ms", "session_timeout_ms", "rebalance_timeout_ms"), 10
)
BATCH = bytes(build_batch([NewRecord(None, b"", (), int(time.time() * 1000))]))


class Filling:
    """Filling of one request, whose array at ``path`` is as long as it may be.

    Args:
        path: the names of the fields that lead to the array.
        manner: ``small``, ``known``, ``different`` or ``long`` values.
        topic_id: of the topic that is known, ``t``.
    """

    def __init__(self, path: tuple[str, ...], manner: str, topic_id: UUID) -> None:
        self._path = path
        self._manner = manner
        self._topic_id = topic_id
        self._numbers = itertools.count()

    def message(self, root: StructSchema, version: int) -> Any:
        """Return the request."""
        return self._struct(root, version, ())

    def _struct(self, schema: StructSchema, version: int, path: tuple[str, ...]) -> Any:
        message = struct_class(schema)()
        for field in schema.fields_in(version):
            here = (*path, field.name)
            count = self._count(field, here, version) if field.is_array else 1
            values = [self._value(field, version, here) for _ in range(count)]
            setattr(message, field.name, values if field.is_array else values[0])
        return message

    def _count(self, field: FieldSchema, here: tuple[str, ...], version: int) -> int:
        if here == self._path:
            # More new topics than that are refused as a whole.
            new = hasattr(struct_class(field.struct), "num_partitions") if field.struct else False
            limit = MAX_NEW_PARTITIONS if new else MAX_ELEMENTS
            most = min(limit, (MAX_ELEMENTS - 20) // (1 + _elements_in(field, version)))
            texts = _texts_in(field, version)
            return (
                min(most, MOST_BYTES // LONG_BYTES // (texts or 1))
                if self._manner == "long" and texts
                else most
            )
        return 1

    def _value(self, field: FieldSchema, version: int, here: tuple[str, ...]) -> Any:
        if field.struct is not None:
            return self._struct(field.struct, version, here)
        if field.name in _FIXED:
            return _FIXED[field.name]
        wide = here[: len(self._path)] == self._path
        number = next(self._numbers) if wide and self._manner == "different" else 0
        values: dict[str, Any] = {
            "rec": b"" if self._manner == "small" else BATCH,
            "bytes": b"",
            "uuid": self._topic_id if self._manner == "known" else UUID(int=number),
            "bool": False,
            "f64": 0.0,
            "i8": number % 4,
            "i16": number % 4,
        }
        if field.type == "str":
            return self._text(field.name, wide, number)
        return values.get(field.type, number)

    def _text(self, name: str, wide: bool, number: int) -> str:
        if self._manner == "long" and wide:
            return f"{next(self._numbers):08}" * (LONG_BYTES // 8)
        if self._manner == "different" and wide:
            return f"n{number}"
        known = {"protocol_type": "consumer", "group_id": "g", "member_id": ""}
        return "" if self._manner == "small" else known.get(name, "t")


def _elements_in(field: FieldSchema, version: int) -> int:
    if field.struct is None:
        return 0
    return sum(
        (1 if inner.is_array else 0) + _elements_in(inner, version)
        for inner in field.struct.fields_in(version)
    )


def _texts_in(field: FieldSchema, version: int) -> int:
    if field.struct is None:
        return field.type == "str"
    return sum(_texts_in(inner, version) for inner in field.struct.fields_in(version))


def arrays(
    schema: StructSchema, version: int, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all arrays of a message."""
    for field in schema.fields_in(version):
        here = (*path, field.name)
        if field.is_array:
            yield here
        if field.struct is not None:
            yield from arrays(field.struct, version, here)


def largest(topic_id: UUID) -> Iterator[tuple[str, bytes]]:
    """Yield the requests by what they are."""
    for api in SERVED.values():
        schema = api_schema(api.api_key)
        assert schema is not None
        for version in sorted({api.min_version, api.max_version}):
            for path in arrays(schema.request.root, version):
                for manner in ("small", "known", "different", "long"):
                    message = Filling(path, manner, topic_id).message(schema.request.root, version)
                    flexible = schema.request.is_flexible(version)
                    frame = frame_of(int(api.api_key), version, message, flexible)
                    name = f"{api.api_key.name} {version} {'.'.join(path)} {manner}"
                    yield name, frame


def _answer(port: int, frame: bytes) -> str:
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        try:
            (length,) = struct.unpack(">i", read_exactly(connection, 4))
            read_exactly(connection, length)
        except (OSError, EOFError) as error:
            return type(error).__name__
        return f"{length} bytes"


class Running:
    """Bus in a thread of its own, with a loop that is measured."""

    def __init__(self) -> None:
        settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=(), set=CONFIGS)
        self.bus = FakeBus(settings)
        self.loop = MeasuredLoop()
        self.topic_id: UUID
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Running:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        async with self.bus:
            self.topic_id = (await self.bus.broker.topics.create("t", 3, {})).topic_id
            self._ready.set()
            await self._stop.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzzing.largest")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--limit-ms", type=float, default=100.0)
    arguments = parser.parse_args()
    failed = 0
    running = Running()
    with running:
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)  # as fakebus up does
        port = running.bus.kafka_addresses[0].port
        for name, frame in largest(running.topic_id):
            if arguments.names and not any(part in name for part in arguments.names):
                continue
            gc.collect()
            running.loop.worst_s = 0.0
            began = time.monotonic()
            answer = _answer(port, frame)
            took = time.monotonic() - began
            time.sleep(0.01)
            worst = running.loop.worst_s * 1000
            failed += worst > arguments.limit_ms
            print(
                f"{worst:8.0f} ms  {took:6.2f} s {name}  ({len(frame)} bytes, {answer})", flush=True
            )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
