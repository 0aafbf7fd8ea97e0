"""Consumers: created, subscribed or assigned, asked for records, committed and deleted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any
from uuid import uuid4

from aiohttp import web
from yarl import URL

from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.times import parse_instant
from fakebus.registry.sources import RegistrySource
from fakebus.types import TopicPartition
from fakebus.web.errors import RequestError
from fakebus.web.large_answers import json_answer
from fakebus.web.rest.call import PARTITION_NOT_FOUND, RestCall, field, objects, partition_of
from fakebus.web.rest.consumer import LONGEST_WAIT_MS, MAX_BYTES, Consumer, ConsumerOptions, Placed
from fakebus.web.rest.media_types import FORMATS, SCHEMA_TYPES, accepted_types
from fakebus.web.rest.payloads import shown
from fakebus.web.security import refuse_foreign_page

_INVALID_OPTION = 42204
_RESETS = ("earliest", "latest", "none")
_MOST_LETTERS = 249
"""Of the name of a consumer, as of a topic's."""
_MOST_TOPICS = 1000


async def create_consumer(call: RestCall) -> object:
    """Create a consumer of a group, and tell under which address it is found."""
    body = await call.body()
    group, name = call.path("group"), field(body, "name", str) or field(body, "id", str)
    name = name or str(uuid4())
    if len(name) > _MOST_LETTERS or len(group) > _MOST_LETTERS:
        raise _invalid(f"the names of groups and consumers have at most {_MOST_LETTERS} letters")
    consumer = call.consumers.create(group, name, _options(body), call.origin.peer)
    base = URL.build(scheme=call.request.scheme, authority=call.request.host)
    address = base.joinpath("consumers", group, "instances", consumer.name)
    return {"instance_id": consumer.name, "base_uri": str(address)}


def _options(body: Mapping[str, Any]) -> ConsumerOptions:
    form = str(body.get("format") or "binary").lower()
    reset = str(body.get("auto.offset.reset") or "latest").lower()
    if form not in FORMATS:
        raise _invalid(f"format is one of {', '.join(FORMATS)}")
    if reset not in _RESETS:
        raise _invalid(f"auto.offset.reset is one of {', '.join(_RESETS)}")
    commits = str(body.get("auto.commit.enable", True)).lower()
    if commits not in ("true", "false"):
        raise _invalid("auto.commit.enable is true or false")
    return ConsumerOptions(
        format=form,
        reset=reset,
        auto_commit=commits == "true",
        min_bytes=_number(body, "fetch.min.bytes", 1, least=-1),
        timeout_ms=_number(body, "consumer.request.timeout.ms", 1000, least=1),
    )


def _number(body: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    text = str(body.get(name, default))[:20]
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise _invalid(f"{name} is a whole number of at least {least}, not {text!r}")
    return number


def _invalid(reason: str) -> RequestError:
    return RequestError(
        422, f"Invalid consumer configuration: {reason}", error_code=_INVALID_OPTION
    )


async def delete_consumer(call: RestCall) -> object:
    """Delete a consumer, which leaves its group."""
    await call.consumers.delete(call.path("group"), call.path("instance"))
    return web.Response(status=204)


@asynccontextmanager
async def _consumer(call: RestCall) -> AsyncGenerator[Consumer]:
    """Hold the consumer of the path for one request, which others wait for."""
    group, name = call.path("group"), call.path("instance")
    consumer = call.consumers.get(group, name)
    async with consumer.lock:
        # It may be gone by now.
        yield call.consumers.get(group, name)


async def subscribe(call: RestCall) -> object:
    """Subscribe a consumer to topics, by name or by a pattern."""
    async with _consumer(call) as consumer:
        body = await call.body()
        topics, pattern = field(body, "topics", list), field(body, "topic_pattern", str)
        names = topics or ()
        if len(names) > _MOST_TOPICS or not all(isinstance(each, str) for each in names):
            raise RequestError(422, f"topics must be at most {_MOST_TOPICS} texts")
        await consumer.subscribe(topics, pattern)
    return web.Response(status=204)


async def read_subscription(call: RestCall) -> object:
    """Tell to which topics a consumer is subscribed."""
    async with _consumer(call) as consumer:
        return {"topics": sorted(consumer.topics)}


async def unsubscribe(call: RestCall) -> object:
    """Let a consumer read nothing any more, and leave its group."""
    async with _consumer(call) as consumer:
        await consumer.unsubscribe()
    return web.Response(status=204)


async def assign(call: RestCall) -> object:
    """Assign partitions to a consumer, whatever its group reads."""
    async with _consumer(call) as consumer:
        await consumer.assign(_places(call, await call.body()))
    return web.Response(status=204)


async def read_assignment(call: RestCall) -> object:
    """Tell which partitions a consumer reads."""
    async with _consumer(call) as consumer:
        return {"partitions": [each._asdict() for each in consumer.assignment]}


async def seek(call: RestCall) -> object:
    """Let a consumer go on from offsets, or from times."""
    async with _consumer(call) as consumer:
        body = await call.body()
        wanted = {
            _place(each): _offset(each) for each in objects({"offsets": [], **body}, "offsets")
        }
        times = objects({"timestamps": [], **body}, "timestamps")
        moments = {_place(each): _moment(each) for each in times}
        for place in moments.keys() - set(consumer.assignment):
            consumer.seek({place: 0})
        for place, offset in (await call.cluster.offsets_at(moments)).items():
            log = consumer.log(place)
            wanted[place] = log.high_watermark if offset < 0 and log is not None else offset
        consumer.seek(wanted)
    return web.Response(status=204)


async def seek_to_beginning(call: RestCall) -> object:
    """Let a consumer go on from where logs begin."""
    return await _seek_to(call, at_end=False)


async def seek_to_end(call: RestCall) -> object:
    """Let a consumer go on from where logs end."""
    return await _seek_to(call, at_end=True)


async def _seek_to(call: RestCall, *, at_end: bool) -> object:
    async with _consumer(call) as consumer:
        offsets = {}
        for each in objects(await call.body(), "partitions"):
            place = _place(each)
            log = consumer.log(place)
            if log is None:
                offsets[place] = 0
            else:
                offsets[place] = log.high_watermark if at_end else log.log_start_offset
        consumer.seek(offsets)
    return web.Response(status=204)


async def read_records(call: RestCall) -> object:
    """Read the next records of a consumer, as soon as some are there or the time is over."""
    # What is read moves the consumer on, so that it is a write.
    refuse_foreign_page(call.request)
    async with _consumer(call) as consumer:
        media_type = _records_type(call, consumer)
        wait_ms = call.number("timeout", consumer.options.timeout_ms, least=-1)
        wait_ms = consumer.options.timeout_ms if wait_ms < 0 else wait_ms
        max_bytes = call.number("max_bytes", MAX_BYTES, least=-1)
        max_bytes = MAX_BYTES if max_bytes <= 0 else min(max_bytes, MAX_BYTES)
        wait_ms = min(wait_ms, LONGEST_WAIT_MS)
        found = await consumer.records(wait_ms, max_bytes, call.is_abandoned)
        rows = await _rows(call, consumer, found)
    return await json_answer(call.request, rows, content_type=media_type)


async def _rows(call: RestCall, consumer: Consumer, found: Sequence[Placed]) -> list[object]:
    """Return records as they are answered, up to one that is not of the consumer's format.

    Raises:
        RequestError: 422, the first one is not.
    """
    source, form = RegistrySource(call.bus.registry), consumer.options.format
    rows: list[object] = []
    for index, (place, record) in enumerate(found):
        try:
            key = await shown(source, form, record.key, place.topic, is_key=True)
            value = await shown(source, form, record.value, place.topic, is_key=False)
        except RequestError:
            consumer.put_back(found[index:])
            if not rows:
                raise
            break
        row = {"topic": place.topic, "key": key, "value": value, "partition": place.partition}
        rows.append({**row, "offset": record.offset, "timestamp": record.timestamp})
    return rows


def _records_type(call: RestCall, consumer: Consumer) -> str:
    """Return the media type of records that the client takes."""
    form = consumer.options.format
    same = SCHEMA_TYPES if form in SCHEMA_TYPES else (form,)
    for each in accepted_types(call.request.headers.get("Accept", "")):
        if each.format in same:
            return each.media_type
        if not each.format:
            is_json = each.media_type == "application/json"
            return each.media_type if is_json else f"application/vnd.kafka.{form}.v2+json"
    raise RequestError(
        406, f"the consumer was created with the format {form}: ask for that", error_code=40601
    )


async def commit(call: RestCall) -> object:
    """Commit offsets of records that were handled, or all that were read."""
    async with _consumer(call) as consumer:
        body = await call.body()
        offsets = None
        if "offsets" in body:
            offsets = {}
            for each in objects(body, "offsets"):
                place = _place(each)
                partition_of(call.topic(place.topic), place.partition)
                # Clients name the record, and a group goes on behind it.
                note = field(each, "metadata", str) or ""
                offsets[place] = (_offset(each) + 1, note)
        await consumer.commit(offsets)
    return {"offsets": []}


async def read_committed(call: RestCall) -> object:
    """Tell from which offsets the group of a consumer goes on."""
    async with _consumer(call) as consumer:
        body = await call.body()
        if not body:
            raise RequestError(404, "name partitions in the body", error_code=PARTITION_NOT_FOUND)
        coordinator = call.bus.broker.group_coordinator
        found = []
        for place in _places(call, body):
            row = coordinator.fetch_offset(consumer.group, place)
            if row is not None:
                found.append({**place._asdict(), "offset": row.offset, "metadata": row.metadata})
        return {"offsets": found}


def _place(named: Mapping[str, Any]) -> TopicPartition:
    return TopicPartition(field(named, "topic", str, required=True), _whole(named, "partition"))


def _places(call: RestCall, body: Mapping[str, Any]) -> list[TopicPartition]:
    places = [_place(each) for each in objects(body, "partitions")]
    for place in places:
        partition_of(call.topic(place.topic), place.partition)
    return places


def _whole(named: Mapping[str, Any], name: str) -> int:
    """Return a whole number, which some clients send as a text."""
    digits = str(named.get(name))
    if isinstance(named.get(name), bool) or not digits.isascii() or not digits.isdigit():
        raise RequestError(422, f"{name} must be a whole number that is not negative")
    return int(digits[:20])


def _offset(named: Mapping[str, Any]) -> int:
    return _whole(named, "offset")


def _moment(named: Mapping[str, Any]) -> int:
    """Return a time in milliseconds, which is a number or in ISO 8601."""
    text = named.get("timestamp")
    if isinstance(text, str) and not text.isdigit():
        try:
            return parse_instant(text, UTC)
        except DataError as error:
            raise RequestError(422, f"timestamp: {error}") from None
    return _whole(named, "timestamp")
