"""Packs: a whole fixture set in one file, encoded already, for sets that are large.

A pack is MessagePack. Events lie in columns, so that reading it takes a fraction of the time
that JSON lines, schemas and checks take. Relative times have become instants. Records name
schemas by id; a pack knows which do, and they are given the ids of the registry where the
pack is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from fakebus.errors import FakebusError
from fakebus.fixture_files.model import (
    FixtureEvent,
    FixtureGroup,
    FixtureOffset,
    FixtureReader,
    FixtureSchema,
    FixtureSet,
    FixtureStream,
    FixtureTopic,
    TopicContract,
)
from fakebus.fixture_files.problems import FixtureError, FixtureProblem, Position, quoted
from fakebus.output_files import write_output
from fakebus.records.codecs import Codec
from fakebus.records.compression import compress, decompress
from fakebus.records.record import NewRecord
from fakebus.schemas.framing import frame

PACK_VERSION = 1
MAX_UNPACKED_BYTES = 2 << 30
_FORMAT = "fakebus-pack"
_KEY_FRAMED = 1
_VALUE_FRAMED = 2
_HEADER_SIZE = 5

SchemaIds = Mapping[tuple[str, int], int]


def write_pack(path: Path, fixture_set: FixtureSet, other_ids: FixtureSet) -> int:
    """Write a set into one file and return the number of bytes.

    Args:
        path: the file; a pack that lies there is replaced.
        fixture_set: the set.
        other_ids: the same set, encoded with other ids for all its schemas. What differs
            between the two is a record that names a schema.

    Raises:
        FakebusError: the file cannot be written, or something else lies there.
    """
    body = {
        "anchor_ms": fixture_set.anchor_ms,
        "schemas": [asdict(schema) for schema in fixture_set.schemas],
        "topics": [asdict(topic) for topic in fixture_set.topics],
        "groups": [asdict(group) for group in fixture_set.groups],
        "name": fixture_set.name,
        "set_version": fixture_set.version,
        "streams": [
            _stream(stream, other)
            for stream, other in zip(fixture_set.streams, other_ids.streams, strict=True)
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


def _stream(stream: FixtureStream, other: FixtureStream) -> dict[str, Any]:
    events = stream.events
    headers: dict[tuple[tuple[str, bytes | None], ...], int] = {}
    return {
        "topic": stream.topic,
        "file": stream.file,
        "set_name": stream.set_name,
        "display_file": stream.display_file,
        "settings_digest": stream.settings_digest,
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
            for one, two in zip(events, other.events, strict=True)
        ),
    }


def load_pack(path: Path, *, now_ms: int, schema_ids: SchemaIds | None = None) -> FixtureSet:
    """Return the set that a pack holds.

    Args:
        path: the file.
        now_ms: the present in milliseconds since the epoch.
        schema_ids: the ids that a registry gave; those of the pack when left out.

    Raises:
        FixtureError: it is no pack, a damaged one, or one of another version.
    """
    body = _body(path)
    try:
        return _fixture_set(path, body, now_ms, schema_ids or {})
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _broken(path, f"its content has another shape ({error})") from error


def packed_set(
    path: Path, profile: str | None, *, now_ms: int, schema_ids: SchemaIds | None = None
) -> FixtureSet:
    """Return the set of a pack that somebody asks for with a profile.

    Args:
        path: the file.
        profile: refused, because a pack holds one profile or the whole set.
        now_ms: as for :func:`load_pack`.
        schema_ids: as for :func:`load_pack`.

    Raises:
        FixtureError: as for :func:`load_pack`, or there is a profile.
    """
    if profile is not None:
        raise _problem(
            path,
            f"a pack has no profiles, so there is no {quoted(profile)} in it",
            "pack the profile by itself, with --profile",
        )
    return load_pack(path, now_ms=now_ms, schema_ids=schema_ids)


def _body(path: Path) -> Any:
    try:
        outer = msgpack.unpackb(path.read_bytes())
    except OSError as error:
        raise _problem(
            path, f"the pack cannot be read: {error.strerror}", "mend the path"
        ) from None
    except ValueError as error:
        raise _broken(path, "it is not MessagePack") from error
    if not isinstance(outer, dict) or outer.get("format") != _FORMAT:
        raise _problem(
            path, "this is not a pack of fixtures", "make one with  fakebus fixtures pack DIR"
        )
    if outer.get("version") != PACK_VERSION:
        raise _problem(
            path,
            f"the version of the pack is {outer.get('version')}; "
            f"this fakebus reads version {PACK_VERSION}",
            "pack the set again",
        )
    packed = outer.get("body")
    if not isinstance(packed, bytes) or hashlib.sha256(packed).hexdigest() != outer.get("sha256"):
        raise _broken(path, "its checksum is wrong")
    try:
        return msgpack.unpackb(decompress(Codec.ZSTD, packed, MAX_UNPACKED_BYTES))
    except (FakebusError, ValueError) as error:
        raise _broken(path, str(error)) from None


def _fixture_set(path: Path, body: Any, now_ms: int, ids: SchemaIds) -> FixtureSet:
    schemas = tuple(_schema(each, ids) for each in body["schemas"])
    reframed = {
        frame(each["schema_id"], b""): frame(schema.schema_id, b"")
        for each, schema in zip(body["schemas"], schemas, strict=True)
        if each["schema_id"] != schema.schema_id
    }
    return FixtureSet(
        root=path,
        name=body.get("name"),
        version=body.get("set_version"),
        anchor_ms=body["anchor_ms"],
        now_ms=now_ms,
        schemas=schemas,
        topics=tuple(
            FixtureTopic(
                **{
                    **each,
                    "position": Position(*each["position"]),
                    "consumers": tuple(each["consumers"]),
                    "subjects": tuple(each.get("subjects", ())),
                    "formats": tuple(each.get("formats", ("", ""))),
                    "contract": TopicContract(**each.get("contract", {})),
                    "headers": tuple((name, value) for name, value in each.get("headers", ())),
                }
            )
            for each in body["topics"]
        ),
        streams=tuple(_events(each, reframed) for each in body["streams"]),
        groups=tuple(
            FixtureGroup(
                group=each["group"],
                position=Position(*each["position"]),
                offsets=tuple(FixtureOffset(**offset) for offset in each["offsets"]),
            )
            for each in body["groups"]
        ),
    )


def _schema(packed: dict[str, Any], ids: SchemaIds) -> FixtureSchema:
    key = (packed["subject"], packed["version"])
    return FixtureSchema(
        **{
            **packed,
            "references": tuple((name, of, at) for name, of, at in packed["references"]),
            "position": Position(*packed.get("position", (packed["display_file"], 1, 1))),
            "consumers": tuple(packed.get("consumers", ())),
            "readers": tuple(FixtureReader(**each) for each in packed.get("readers", ())),
            "schema_id": ids.get(key, packed["schema_id"]),
        }
    )


def _events(packed: dict[str, Any], reframed: Mapping[bytes, bytes]) -> FixtureStream:
    headers = [tuple((name, value) for name, value in each) for each in packed["headers"]]
    keys: Sequence[bytes | None] = packed["keys"]
    values: Sequence[bytes | None] = packed["values"]
    if reframed:
        keys = _with_ids(keys, packed["framed"], _KEY_FRAMED, reframed)
        values = _with_ids(values, packed["framed"], _VALUE_FRAMED, reframed)
    columns = zip(
        packed["lines"],
        packed["digests"],
        packed["partitions"],
        keys,
        values,
        packed["headers_of"],
        packed["timestamps"],
        packed["ids"],
        packed["tags"],
        strict=True,
    )
    return FixtureStream(
        topic=packed["topic"],
        file=packed["file"],
        set_name=packed.get("set_name"),
        display_file=packed["display_file"],
        settings_digest=packed["settings_digest"],
        events=tuple(
            FixtureEvent(
                line=line,
                digest=digest,
                partition=partition,
                record=NewRecord(key, value, headers[header], timestamp),
                event_id=event_id,
                tags=tuple(tags),
            )
            for line, digest, partition, key, value, header, timestamp, event_id, tags in columns
        ),
    )


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
    return FixtureError(
        [FixtureProblem(file=str(path), line=1, column=1, message=message, hint=hint)]
    )
