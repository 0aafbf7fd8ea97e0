"""Packs: a whole fixture set in one file, encoded already, for sets that are large.

A pack is MessagePack. Events lie in columns, so that reading it takes a fraction of the time
that JSON lines, schemas and checks take. Records name schemas by id; a pack knows which do, and
they are given the ids of the registry where the pack is loaded. A pack knows as well which
timestamps count from the anchor, and keeps the data that has such times in it, so that it is as
alive whenever it is loaded as its directory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from fakebus.errors import FakebusError
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureSet,
    FixtureStream,
    FixtureTopic,
)
from fakebus.fixture_files.pack_calls import EventColumns, PackedCalls
from fakebus.fixture_files.pack_checks import check_events, check_schema, check_topic
from fakebus.fixture_files.plain_data import built
from fakebus.fixture_files.problems import FixtureError, FixtureProblem, Position, quoted
from fakebus.fixture_files.sources import read_bounded
from fakebus.fixture_files.structure.schema_set import SchemaIds
from fakebus.output_files import write_output
from fakebus.records.codecs import Codec
from fakebus.records.compression import compress, decompress
from fakebus.records.record import NewRecord
from fakebus.schemas.framing import frame

PACK_VERSION = 2
_FROZEN_VERSION = 1
"""Of packs whose relative times became instants when they were made."""
MAX_UNPACKED_BYTES = 2 << 30
_SURELY_UNPACKED_BYTES = 256 << 20
_FORMAT = "fakebus-pack"
_KEY_FRAMED = 1
_VALUE_FRAMED = 2
_MOVES = 4
"""The timestamp counts from the anchor."""
_HEADER_SIZE = 5
_OF_STREAM = ("topic", "file", "set_name", "display_file", "settings_digest")
_OTHER_SHAPE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    FakebusError,
)
"""What comes of reading content that has not the shape of a pack's."""


class Loads(NamedTuple):
    """Loads of one set, of which the differences tell what a pack has to know."""

    fixture_set: FixtureSet
    """The set, with its calls kept."""
    other_ids: FixtureSet
    """Encoded with other ids for all its schemas: what differs is a record that names one."""
    later: FixtureSet
    """Loaded at another time, with its calls kept: what differs counts from the anchor."""


def write_pack(path: Path, loads: Loads) -> int:
    """Write a set into one file and return the number of bytes.

    Args:
        path: the file; a pack that lies there is replaced.
        loads: of the set.

    Raises:
        FakebusError: the file cannot be written, or something else lies there.
    """
    fixture_set = loads.fixture_set
    calls = PackedCalls(fixture_set.schemas)
    body = {
        "now_ms": fixture_set.now_ms,
        "anchor_moves": fixture_set.anchor_ms != loads.later.anchor_ms,
        "anchor_ms": fixture_set.anchor_ms,
        "schemas": [asdict(schema) for schema in fixture_set.schemas],
        "topics": [asdict(topic) for topic in fixture_set.topics],
        "groups": [asdict(group) for group in fixture_set.groups],
        "services": [rule._asdict() for rule in fixture_set.services],
        "identity_rules": [(rule._asdict(), at) for rule, at in fixture_set.identity_rules],
        "name": fixture_set.name,
        "set_version": fixture_set.version,
        "streams": [
            _stream(calls, *streams)
            for streams in zip(*(each.streams for each in loads), strict=True)
        ],
    }
    packed = bytes(compress(Codec.ZSTD, msgpack.packb(body)))
    outer = {
        "format": _FORMAT,
        "version": PACK_VERSION,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "body": packed,
    }
    data: bytes = msgpack.packb(outer)
    # A pack begins with its format, whatever its version.
    begin = msgpack.packb({"format": _FORMAT})[1:]
    write_output(
        path,
        data,
        is_ours=lambda content: content[1:].startswith(begin),
        made_by="fakebus fixtures pack",
    )
    return len(data)


def _stream(
    calls: PackedCalls, stream: FixtureStream, other_ids: FixtureStream, later: FixtureStream
) -> dict[str, Any]:
    events = stream.events
    headers: dict[tuple[tuple[str, bytes | None], ...], int] = {}
    return {
        **{name: getattr(stream, name) for name in _OF_STREAM},
        "lines": [event.line for event in events],
        "digests": [event.digest for event in events],
        "partitions": [event.partition for event in events],
        "keys": [event.record.key for event in events],
        "values": [event.record.value for event in events],
        "timestamps": [event.record.timestamp_ms for event in events],
        "headers_of": [
            headers.setdefault(tuple(event.record.headers), len(headers)) for event in events
        ],
        "headers": [list(each) for each in headers],
        "ids": [event.event_id for event in events],
        "tags": [list(event.tags) for event in events],
        "framed": bytes(
            _KEY_FRAMED * (one.record.key != two.record.key)
            + _VALUE_FRAMED * (one.record.value != two.record.value)
            + _MOVES * (one.record.timestamp_ms != after.record.timestamp_ms)
            for one, two, after in zip(events, other_ids.events, later.events, strict=True)
        ),
        "calls": calls.packed(stream, later),
    }


def load_pack(
    path: Path, *, now_ms: int, profile: str | None = None, schema_ids: SchemaIds | None = None
) -> FixtureSet:
    """Return the set that a pack holds.

    Args:
        path: the file.
        now_ms: the present in milliseconds since the epoch.
        profile: refused, because a pack holds one profile or the whole set.
        schema_ids: the ids that a registry gave; those of the pack when left out.

    Raises:
        FixtureError: it is no pack, a damaged one, or one of another version, or there is a
            profile.
    """
    if profile is not None:
        raise _problem(
            path,
            f"a pack has no profiles, so there is no {quoted(profile)} in it",
            "pack the profile by itself, with --profile",
        )
    body = _body(path)
    try:
        return _fixture_set(path, body, now_ms, schema_ids or {})
    except _OTHER_SHAPE as error:
        raise _broken(path, f"its content has another shape ({error})") from error


def _body(path: Path) -> Any:
    try:
        data = read_bounded(path, MAX_UNPACKED_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _problem(path, f"the pack cannot be read: {reason}", "mend the path") from None
    try:
        outer = msgpack.unpackb(data)
    except ValueError as error:
        raise _broken(path, "it is not MessagePack") from error
    if not isinstance(outer, dict) or outer.get("format") != _FORMAT:
        raise _problem(
            path, "this is not a pack of fixtures", "make one with  fakebus fixtures pack DIR"
        )
    if outer.get("version") not in (_FROZEN_VERSION, PACK_VERSION):
        raise _problem(
            path,
            f"the version of the pack is {outer.get('version')}; "
            f"this fakebus reads versions {_FROZEN_VERSION} and {PACK_VERSION}",
            "pack the set again, with this version of fakebus",
        )
    packed = outer.get("body")
    if not isinstance(packed, bytes) or hashlib.sha256(packed).hexdigest() != outer.get("sha256"):
        raise _broken(path, "its checksum is wrong")
    try:
        return msgpack.unpackb(decompress(Codec.ZSTD, packed, max_unpacked_bytes(len(packed))))
    except (FakebusError, ValueError) as error:
        # Of what is nested too deeply msgpack says nothing.
        raise _broken(path, str(error) or "it is nested too deeply") from None


def max_unpacked_bytes(packed_bytes: int) -> int:
    """Return how large the content of a pack may be; no set is a thousand times as large."""
    return min(MAX_UNPACKED_BYTES, max(_SURELY_UNPACKED_BYTES, 1000 * packed_bytes))


def _fixture_set(path: Path, body: Any, now_ms: int, ids: SchemaIds) -> FixtureSet:
    schemas = [_with_id(each, ids) for each in body["schemas"]]
    reframed = {
        frame(each["schema_id"], b""): frame(schema["schema_id"], b"")
        for each, schema in zip(body["schemas"], schemas, strict=True)
        if each["schema_id"] != schema["schema_id"]
    }
    # Packs of the first version have no times that move.
    later_ms = now_ms - body.get("now_ms", now_ms)
    fields = {
        "root": path,
        "name": body.get("name"),
        "version": body.get("set_version"),
        "anchor_ms": body["anchor_ms"] + later_ms * body.get("anchor_moves", False),
        "now_ms": now_ms,
        "schemas": schemas,
        "topics": body["topics"],
        "streams": (),
        "groups": body["groups"],
        "services": body.get("services", ()),
        "identity_rules": body.get("identity_rules", ()),
    }
    found: FixtureSet = built(FixtureSet, fields)
    topics = {topic.name: topic for topic in found.topics}
    for schema in found.schemas:
        check_schema(schema)
    for topic in topics.values():
        check_topic(topic)
    calls = PackedCalls(found.schemas)
    streams = (
        _events(each, reframed, later_ms, calls, topics[each["topic"]]) for each in body["streams"]
    )
    return replace(found, topics=tuple(topics.values()), streams=tuple(streams))


def _with_id(schema: dict[str, Any], ids: SchemaIds) -> dict[str, Any]:
    """Return a schema with its place, which packs of older versions lack, and its id here."""
    schema_id = ids.get((schema["subject"], schema["version"]), schema["schema_id"])
    return {"position": (schema["display_file"], 1, 1), **schema, "schema_id": schema_id}


def _events(
    packed: dict[str, Any],
    reframed: Mapping[bytes, bytes],
    later_ms: int,
    calls: PackedCalls,
    topic: FixtureTopic,
) -> FixtureStream:
    headers = [tuple((name, value) for name, value in each) for each in packed["headers"]]
    keys: Sequence[bytes | None] = packed["keys"]
    values: Sequence[bytes | None] = packed["values"]
    if reframed:
        keys = _with_ids(keys, packed["framed"], _KEY_FRAMED, reframed)
        values = _with_ids(values, packed["framed"], _VALUE_FRAMED, reframed)
    timestamps: Sequence[int] = packed["timestamps"]
    if later_ms:
        timestamps = [
            at + later_ms if flags & _MOVES else at
            for at, flags in zip(timestamps, packed["framed"], strict=True)
        ]
    columns = EventColumns(
        packed["partitions"],
        list(keys),
        list(values),
        [headers[index] for index in packed["headers_of"]],
        timestamps,
    )
    if later_ms and "calls" in packed:
        calls.make_again(packed["calls"], later_ms, topic, columns)
    rows = zip(
        packed["lines"],
        packed["digests"],
        *columns,
        packed["ids"],
        packed["tags"],
        strict=True,
    )
    events = tuple(
        FixtureEvent(
            line=line,
            digest=digest,
            partition=partition,
            record=NewRecord(key, value, of_record, timestamp),
            event_id=event_id,
            tags=tuple(tags),
        )
        for line, digest, partition, key, value, of_record, timestamp, event_id, tags in rows
    )
    fields = {name: packed[name] for name in _OF_STREAM if name in packed}
    stream: FixtureStream = replace(built(FixtureStream, {**fields, "events": ()}), events=events)
    check_events(stream, topic)
    return stream


def _with_ids(
    data: Sequence[bytes | None], framed: bytes, bit: int, reframed: Mapping[bytes, bytes]
) -> list[bytes | None]:
    return [
        reframed.get(each[:_HEADER_SIZE], each[:_HEADER_SIZE]) + each[_HEADER_SIZE:]
        if each is not None and flags & bit
        else each
        for each, flags in zip(data, framed, strict=True)
    ]


def _broken(path: Path, reason: str) -> FixtureError:
    return _problem(path, f"the pack is damaged: {reason}", "pack the set again")


def _problem(path: Path, message: str, hint: str) -> FixtureError:
    return FixtureError([FixtureProblem.at(Position(str(path)), message, hint)])
