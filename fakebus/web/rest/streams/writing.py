"""Records written as a stream of lines or of MessagePack, each answered with a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from aiohttp import web

from fakebus.broker.topics import Topic
from fakebus.cluster.composing import record_of_event
from fakebus.errors import FakebusError
from fakebus.records.record import NewRecord
from fakebus.web.body import demand_plain
from fakebus.web.compact_json import compact_json
from fakebus.web.errors import RequestError
from fakebus.web.json_stream import MOST_LETTERS, JsonStream
from fakebus.web.rest.call import RestCall
from fakebus.web.rest.errors import refusal
from fakebus.web.rest.incoming import incoming
from fakebus.web.rest.media_types import content_type
from fakebus.web.rest.producing import Stored
from fakebus.web.rest.streams.forms import MSGPACK, sent_form, unpacked
from fakebus.web.sending import send

Placed = tuple[int | None, NewRecord]
_NIL = b"\xc0"


async def write_records(call: RestCall) -> web.StreamResponse:
    """Write records as they come, and tell of each where it is or why it was refused."""
    demand_plain(call.request)
    form = sent_form(content_type(call.request))
    topic = await call.topic_to_write()
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await send(call.request, response)
    number = 0
    stream = _MsgpackStream() if form == MSGPACK else JsonStream()
    async with aclosing(incoming(call.request, stream, "records")) as parts:
        async for part in parts:
            if isinstance(part, RequestError):
                receipts = [_refused(number + 1, part)]
            else:
                receipts = await _write(call, topic, part, number)
                number += len(part)
            lines = "".join(compact_json(each) + "\n" for each in receipts)
            await send(call.request, response, lines.encode())
    return response


class _MsgpackStream:
    """Reader of maps in MessagePack, one behind the other."""

    def __init__(self) -> None:
        import msgpack

        self._unpacker = msgpack.Unpacker(
            max_buffer_size=2 * MOST_LETTERS, unicode_errors="surrogateescape"
        )
        self._errors = (msgpack.UnpackException, msgpack.BufferFull, ValueError)
        self._has_ended = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes, none are the end; ValueError if they are too many for one record."""
        self._has_ended = not data
        try:
            self._unpacker.feed(data or _NIL)
        except self._errors as error:
            raise ValueError(str(error) or "a record is too large") from None

    def take(self) -> list[Mapping[str, Any]]:
        """Return the maps that are complete; ValueError if something else comes."""
        found: list[Mapping[str, Any]] = []
        try:
            if self._has_ended:
                # A record of which the end is missing would take it in, or wait for more.
                if next(iter(self._unpacker), self) is None:
                    return found
                raise ValueError("it ends within a record")
            for each in self._unpacker:
                if not isinstance(each, dict):
                    raise ValueError("a record is a map")
                found.append(each)
        except self._errors as error:
            if not found:
                raise ValueError(str(error) or "it is no MessagePack") from None
        return found


async def _write(
    call: RestCall, topic: Topic, found: Sequence[Mapping[str, Any]], number: int
) -> list[dict[str, object]]:
    prepared = [await _record(call, topic, each) for each in found]
    good = [each for each in prepared if not isinstance(each, RequestError)]
    outcomes = iter(await call.producing.write(topic, good, call.origin))
    receipts = []
    for at, each in enumerate(prepared, number + 1):
        outcome = each if isinstance(each, RequestError) else next(outcomes)
        if isinstance(outcome, Stored):
            receipts.append(_receipt(at, topic.name, outcome))
        else:
            told = outcome if isinstance(outcome, RequestError) else refusal(outcome)
            receipts.append(_refused(at, told))
    return receipts


async def _record(call: RestCall, topic: Topic, fields: Mapping[str, Any]) -> Placed | RequestError:
    """Return a record and its partition; that it is for another topic is passed over."""
    try:
        if sent_form(content_type(call.request)) == MSGPACK:
            return unpacked(fields)
        _, partition, record = await record_of_event(call.cluster, {**fields, "topic": topic.name})
        return partition, record
    except RequestError as error:
        return error
    except FakebusError as error:
        return RequestError(422, str(error))


def _receipt(number: int, topic: str, stored: Stored) -> dict[str, object]:
    partition, offset, timestamp_ms = stored
    name = f"{topic}[{partition}]@{offset}"
    place = {"partition": partition, "offset": offset, "timestamp_ms": timestamp_ms}
    return {"number": number, "record": name, "topic": topic, **place}


def _refused(number: int, error: RequestError) -> dict[str, object]:
    return {"number": number, "error_code": error.error_code, "message": error.message}
