"""Times within the data of a pack, which are made again when it is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from functools import cached_property
from typing import Any

from fakebus.fixture_files.drift.set_subjects import SubjectVersion, parsed_versions
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.headers import Headers
from fakebus.fixture_files.model import FixtureEvent, FixtureSchema, FixtureTopic, FormattedData
from fakebus.records.partitioner import PARTITIONERS
from fakebus.schemas.framing import framed_id
from fakebus.schemas.payloads import encode


def packed_calls(events: Sequence[FixtureEvent], later: Sequence[FixtureEvent]) -> dict[str, Any]:
    """Return what has to be made again of the events of a stream.

    Args:
        events: with their calls.
        later: the same ones, loaded at another time.
    """
    calls = [event.calls for event in events]
    if not calls or calls[0] is None or later[0].calls is None:
        return {}
    if calls[0].anchor_ms == later[0].calls.anchor_ms:
        return {}
    rows = [
        [
            index,
            _packed(each.key),
            _packed(each.value),
            each.headers and json.dumps(each.headers),
            each.key_decides,
        ]
        for index, each in enumerate(calls)
        if each is not None and (each.key or each.value or each.headers)
    ]
    return {"anchor_ms": calls[0].anchor_ms, "events": rows} if rows else {}


def _packed(data: FormattedData | None) -> list[str | None] | None:
    # As text, since MessagePack has no numbers of more than 64 bits.
    return None if data is None else [data.format, json.dumps(data.data)]


class PackedCalls:
    """Calls in the data of a pack.

    Args:
        schemas: the pack's, with the ids that its records name now.
        later_ms: how much time has passed since the pack was made.
    """

    def __init__(self, schemas: Sequence[FixtureSchema], later_ms: int) -> None:
        self._schemas = schemas
        self._later_ms = later_ms

    def made_again(
        self, calls: dict[str, Any], topic: FixtureTopic, events: list[FixtureEvent]
    ) -> tuple[FixtureEvent, ...]:
        """Return the events of a stream with the times of now in their data.

        Args:
            calls: what :func:`packed_calls` returned.
            topic: of the events.
            events: with timestamps of now.
        """
        if self._later_ms and calls:
            anchor_ms = calls["anchor_ms"] + self._later_ms
            for index, *packed in calls["events"]:
                events[index] = self._again(events[index], topic, anchor_ms, *packed)
        return tuple(events)

    def _again(
        self,
        event: FixtureEvent,
        topic: FixtureTopic,
        anchor_ms: int,
        packed_key: list[Any] | None,
        packed_value: list[Any] | None,
        headers: str | None,
        key_decides: bool,
    ) -> FixtureEvent:
        record, partition = event.record, event.partition
        context = FunctionContext(
            seed=0, anchor_ms=anchor_ms, zone=UTC, event_ms=record.timestamp_ms
        )
        if packed_key is not None:
            record = record._replace(key=self._bytes(record.key, packed_key, context))
            if key_decides:
                chosen = PARTITIONERS[topic.partitioner](record.key, topic.partitions)
                partition = partition if chosen is None else chosen
        if packed_value is not None:
            record = record._replace(value=self._bytes(record.value, packed_value, context))
        if headers is not None:
            pairs = tuple((name, data) for name, data in json.loads(headers))
            record = record._replace(headers=Headers(pairs=pairs).encode(context))
        return event._replace(record=record, partition=partition)

    def _bytes(
        self, data: bytes | None, packed: Sequence[str], context: FunctionContext
    ) -> bytes | None:
        format_name, text = packed
        expanded = expand(json.loads(text), context)
        if format_name is not None:
            return FORMATS[format_name].encode(expanded)
        return encode(self._by_id[framed_id(data) or 0], expanded)

    @cached_property
    def _by_id(self) -> dict[int, SubjectVersion]:
        # Reading schemas takes longer than reading the events of a small pack.
        return {one.schema_id: one for one in parsed_versions(self._schemas).values()}
