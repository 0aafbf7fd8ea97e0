"""Times within the data of a pack, which are made again when it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC
from functools import cached_property, partial
from typing import Any, NamedTuple

from fakebus.fixture_files.drift.set_subjects import SubjectVersion, parsed_versions
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.headers import Headers, RecordHeader
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureSchema,
    FixtureStream,
    FixtureTopic,
    FormattedData,
)
from fakebus.fixture_files.pack_templates import filled_in, template_of
from fakebus.records.partitioner import PARTITIONERS
from fakebus.schemas.framing import HEADER_SIZE, framed_id
from fakebus.schemas.payloads import encode


class EventColumns(NamedTuple):
    """Columns of a stream's events that times of now change."""

    partitions: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Sequence[RecordHeader]]
    timestamps: Sequence[int]


class PackedCalls:
    """Calls in the data of a pack.

    Args:
        schemas: the set's, with the ids that its records name.
    """

    def __init__(self, schemas: Sequence[FixtureSchema]) -> None:
        self._schemas = schemas

    def packed(self, stream: FixtureStream, later: FixtureStream) -> dict[str, Any]:
        """Return what has to be made again of the events of a stream.

        Args:
            stream: with the calls of its events.
            later: the same one, loaded at another time.
        """
        rows: list[Any] = []
        anchor_ms = 0
        for index, (event, other) in enumerate(zip(stream.events, later.events, strict=True)):
            calls = event.calls
            if calls is None or other.calls is None or calls.anchor_ms == other.calls.anchor_ms:
                continue
            anchor_ms = calls.anchor_ms
            context = _context(anchor_ms, event.record.timestamp_ms)
            key = self._pack(calls.key, event.record.key, context)
            value = self._pack(calls.value, event.record.value, context)
            headers = None if calls.headers is None else _pack_headers(event, context)
            if key or value or headers:
                rows.append([index, key, value, headers, calls.key_decides])
        return {"anchor_ms": anchor_ms, "events": rows}

    def _pack(
        self, data: FormattedData | None, encoded: bytes | None, context: FunctionContext
    ) -> list[Any] | None:
        if data is None:
            return None
        write = self._encoder(data.format, encoded)
        template = template_of(data.data, write, context)
        if template is None:
            # As text, since MessagePack has no numbers of more than 64 bits.
            return [data.format, json.dumps(data.data)]
        # The schema's id comes from where the pack is loaded.
        if data.format is None and isinstance(template[0], bytes):
            template[0] = template[0][HEADER_SIZE:]
        return [data.format is None, template]

    def make_again(
        self, calls: dict[str, Any], later_ms: int, topic: FixtureTopic, columns: EventColumns
    ) -> None:
        """Put the times of now into the data of a stream's events.

        Args:
            calls: what :meth:`packed` returned.
            later_ms: how much time has passed since the pack was made.
            topic: of the events.
            columns: of the events; their timestamps are of now.
        """
        anchor_ms = calls["anchor_ms"] + later_ms
        choose = PARTITIONERS[topic.partitioner]
        for index, key, value, headers, key_decides in calls["events"]:
            context = _context(anchor_ms, columns.timestamps[index])
            if value is not None:
                columns.values[index] = self._made(value, columns.values[index], context)
            if headers is not None:
                columns.headers[index] = _made_headers(headers, context)
            if key is None:
                continue
            made = columns.keys[index] = self._made(key, columns.keys[index], context)
            if key_decides and (chosen := choose(made, topic.partitions)) is not None:
                columns.partitions[index] = chosen

    def _made(
        self, packed: list[Any], data: bytes | None, context: FunctionContext
    ) -> bytes | None:
        format_name, content = packed
        if isinstance(content, str):
            return self._encoder(format_name, data)(expand(json.loads(content), context))
        filled = filled_in(content, context)
        return data[:HEADER_SIZE] + filled if format_name and data is not None else filled

    def _encoder(
        self, format_name: str | None, data: bytes | None
    ) -> Callable[[object], bytes | None]:
        if format_name is not None:
            return FORMATS[format_name].encode
        return partial(encode, self._by_id[framed_id(data) or 0])

    @cached_property
    def _by_id(self) -> dict[int, SubjectVersion]:
        # Reading schemas takes longer than reading the events of a small pack.
        return {one.schema_id: one for one in parsed_versions(self._schemas).values()}


def _context(anchor_ms: int, event_ms: int) -> FunctionContext:
    return FunctionContext(seed=0, anchor_ms=anchor_ms, zone=UTC, event_ms=event_ms)


def _pack_headers(event: FixtureEvent, context: FunctionContext) -> list[Any]:
    """Return bytes, templates and JSON of headers, each with its name."""
    packed: list[Any] = []
    calls = event.calls.headers if event.calls else ()
    for (name, data), (_, encoded) in zip(calls or (), event.record.headers, strict=True):
        if isinstance(data, dict) and "$time" in data:
            packed.append([name, template_of(data, _header_bytes, context) or json.dumps(data)])
        elif isinstance(data, dict):
            packed.append([name, json.dumps(data)])
        else:
            packed.append([name, encoded])
    return packed


def _header_bytes(data: object) -> bytes:
    return str(data).encode()


def _made_headers(packed: list[Any], context: FunctionContext) -> tuple[RecordHeader, ...]:
    return tuple(
        (name, content)
        if content is None or isinstance(content, bytes)
        else (name, filled_in(content, context))
        if isinstance(content, list)
        else Headers(pairs=((name, json.loads(content)),)).encode(context)[0]
        for name, content in packed
    )
