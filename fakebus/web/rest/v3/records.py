"""Records: in a stream that stays open, with a receipt for each, or in one batch.

A stream's body is one JSON object behind the other, with or without line breaks, of any length;
the receipts come as lines while it is still being sent. What is there at once is written together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC
from typing import Any, NamedTuple

from aiohttp import web

from fakebus.broker.topics import Topic
from fakebus.cluster.filters import instant
from fakebus.errors import FakebusError
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.times import parse_instant
from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.record import NewRecord
from fakebus.schemas.languages import LANGUAGES
from fakebus.web.body import demand_plain
from fakebus.web.compact_json import compact_json
from fakebus.web.errors import RequestError
from fakebus.web.json_stream import JsonStream
from fakebus.web.large_answers import json_answer
from fakebus.web.rest.call import field, objects
from fakebus.web.rest.errors import refusal
from fakebus.web.rest.incoming import incoming
from fakebus.web.rest.payloads import from_base64, plain_bytes, schema_bytes
from fakebus.web.rest.producing import Stored
from fakebus.web.rest.v3.call import Resource, V3Call
from fakebus.web.rest.v3.schemas import schema_of
from fakebus.web.sending import send

MOST_STREAMS = 100
"""Streams of records that may be open at once."""
MOST_ENTRIES = 1000
"""Records of a batch."""
_PLAIN = {"BINARY": "binary", "JSON": "json", "STRING": "string"}
_FIELDS = frozenset(("partition_id", "headers", "key", "value", "timestamp"))
_open: set[int] = set()


class _Part(NamedTuple):
    """Part of a record, key or value: its bytes, and what is told of them."""

    data: bytes | None
    told: Resource | None


class _Prepared(NamedTuple):
    record: NewRecord
    partition: int | None
    key: Resource | None
    value: Resource | None


async def produce(call: V3Call) -> web.StreamResponse:
    """Write records as they come, and tell of each where it is or why it was refused."""
    _demand_json(call)
    topic = await call.topic_to_write()
    if len(_open) >= MOST_STREAMS:
        raise RequestError(429, f"{MOST_STREAMS} streams of records are open already")
    _open.add(id(call))
    try:
        return await _stream(call, topic)
    finally:
        _open.discard(id(call))


def _demand_json(call: V3Call) -> None:
    demand_plain(call.request)
    if call.request.content_type != "application/json" and "Content-Type" in call.request.headers:
        raise RequestError(415, "records are sent as application/json")


async def _stream(call: V3Call, topic: Topic) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    async with aclosing(incoming(call.request, JsonStream(), "JSON objects")) as parts:
        async for part in parts:
            receipts = [] if isinstance(part, RequestError) else await _write(call, topic, part)
            if isinstance(part, RequestError):
                receipts = [_error(part)]
            lines = "".join(compact_json(each) + "\r\n" for each in receipts)
            await send(call.request, response, lines.encode())
    if not response.prepared:
        raise RequestError(400, "the body has no record")
    return response


async def _write(call: V3Call, topic: Topic, found: Sequence[Mapping[str, Any]]) -> list[Resource]:
    """Write records, and return a receipt for each."""
    prepared = [await _prepared(call, topic, each) for each in found]
    good = [each for each in prepared if isinstance(each, _Prepared)]
    written = await call.producing.write(
        topic, [(each.partition, each.record) for each in good], call.origin
    )
    outcomes = iter(zip(good, written, strict=True))
    return [
        _receipt(call, topic, *next(outcomes)) if isinstance(each, _Prepared) else _error(each)
        for each in prepared
    ]


async def _prepared(
    call: V3Call, topic: Topic, asked: Mapping[str, Any]
) -> _Prepared | RequestError:
    try:
        unknown = sorted(asked.keys() - _FIELDS)
        if unknown:
            raise RequestError(
                400, f"a record has no {unknown[0][:80]!r}; it has {', '.join(sorted(_FIELDS))}"
            )
        key = await _part(call, topic, asked, "key")
        value = await _part(call, topic, asked, "value")
        record = NewRecord(key.data, value.data, _headers(asked), _moment(asked))
        return _Prepared(record, field(asked, "partition_id", int), key.told, value.told)
    except RequestError as error:
        return error


async def _part(call: V3Call, topic: Topic, asked: Mapping[str, Any], what: str) -> _Part:
    part = field(asked, what, dict)
    if part is None or part.get("data") is None:
        return _Part(None, None)
    form, data = str(part.get("type") or "").upper(), part["data"]
    if form in _PLAIN:
        found = plain_bytes(_PLAIN[form], data, what)
        return _Part(found, {"type": form, "size": len(found)})
    schema = await schema_of(call.bus.registry, topic.name, part, what, form)
    found = schema_bytes(schema, data, what)
    form = LANGUAGES[schema.parsed.schema_type].format_name.upper()
    told: Resource = {"type": form, "size": len(found)}
    told |= {"subject": schema.subject, "schema_id": schema.schema_id}
    return _Part(found, {**told, "schema_version": schema.version})


def _headers(asked: Mapping[str, Any]) -> list[tuple[str, bytes | None]]:
    found = []
    for each in objects({"headers": []} if asked.get("headers") is None else asked, "headers"):
        name, value = field(each, "name", str, required=True), each.get("value")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise RequestError(400, "a header's name holds half of a surrogate pair") from None
        data = None if value is None else from_base64(value, f"the header {name[:80]!r}")
        found.append((name, data))
    return found


def _moment(asked: Mapping[str, Any]) -> int:
    moment = asked.get("timestamp")
    if moment is None:
        return NO_TIMESTAMP
    if type(moment) is int and 0 <= moment < 1 << 62:
        return moment
    try:
        return parse_instant(str(moment), UTC)
    except DataError as error:
        raise RequestError(400, f"timestamp: {error}") from None


def _receipt(
    call: V3Call, topic: Topic, prepared: _Prepared, outcome: Stored | FakebusError
) -> Resource:
    if not isinstance(outcome, Stored):
        return _error(refusal(outcome))
    place = {"partition_id": outcome.partition, "offset": outcome.offset}
    told = {"key": prepared.key, "value": prepared.value}
    return {
        "error_code": 200,
        "cluster_id": call.cluster_id,
        "topic_name": topic.name,
        **place,
        "timestamp": instant(outcome.timestamp_ms),
        **{name: part for name, part in told.items() if part is not None},
    }


def _error(error: RequestError) -> Resource:
    return {"error_code": error.error_code, "message": error.message}


async def produce_batch(call: V3Call) -> object:
    """Write records in one request, and tell which were written and which were refused."""
    _demand_json(call)
    topic = await call.topic_to_write()
    entries = objects(await call.body(), "entries")
    names = [each.get("id") for each in entries]
    problem = ""
    if not entries:
        problem = "Empty batch."
    elif len(entries) > MOST_ENTRIES:
        problem = f"Too many entries in batch; there may be {MOST_ENTRIES}."
    elif not all(isinstance(each, str) and 0 < len(each) <= 80 for each in names):
        problem = "The id of each entry is a text of 1 to 80 letters."
    elif len(set(names)) < len(names):
        problem = "The ids of entries are not distinct."
    if problem:
        raise RequestError(422, problem, error_code=42208)
    records = [{key: part for key, part in each.items() if key != "id"} for each in entries]
    receipts = await _write(call, topic, records)
    told = [{"id": name, **each} for name, each in zip(names, receipts, strict=True)]
    successes = [each for each in told if each.get("error_code") == 200]
    failures = [each for each in told if each.get("error_code") != 200]
    for each in successes:
        del each["error_code"]
    answer = {"successes": successes, "failures": failures}
    return await json_answer(call.request, answer, status=207)
