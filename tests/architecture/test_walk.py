"""The walk of one record, from the bytes of a socket to the file and back, call by call.

The lists are those of modules that are really entered. Whoever adds a module or a call to what
every record pays for has to do it here, too, and say why.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import fakebus
from fakebus.app import FakeBus
from fakebus.config import Address, Settings
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from tests.unit.broker.batches import batch
from tests.wire.client import frame
from tests.wire.test_produce_and_fetch import fetch_request, produce_request

PACKAGE = str(Path(fakebus.__file__).parent) + "/"

WIRE = {
    "kafka/client_protocol.py",
    "kafka/dispatch.py",
    "protocol/codec.py",
}
PRODUCE = {
    *WIRE,
    # How such requests begin is known after the first one.
    "kafka/known_produce.py",
    "broker/broker.py",
    "broker/appending.py",
    "records/batch.py",
    "real_time.py",
    "broker/partition_log.py",
    "broker/tail_cache.py",
    "storage/sqlite_writer.py",
    "storage/sqlite_transaction.py",
}
FETCH = {
    *WIRE,
    # Where clients fetch is needed at once, by those that wait for a group or ask what it does.
    "broker/activity.py",
    "broker/fetch_positions.py",
    "real_time.py",
    "kafka/handlers/fetch.py",
    "protocol/primitives.py",
    "broker/broker.py",
    "broker/appending.py",
    "broker/topics.py",
    "broker/fetch_sessions.py",
    "broker/turns.py",
    "broker/delayed_fetch.py",
    "broker/fetching.py",
    "broker/partition_log.py",
    "broker/tail_cache.py",
}
MOST_MODULES = 12
MOST_CALLS = 62
"""A look at the files, which only some pay for, is eight of them."""
MOST_FETCH_CALLS = 92
"""What is noted of a fetch, where it begins and what it was sent, takes a dozen."""


class Walk:
    """Conversation with a bus in the same thread, whose calls are noted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls: list[str] = []
        self._reader = reader
        self._writer = writer

    async def ask(self, api: ApiKey, version: int, message: Any) -> Any:
        """Send a request and return its answer; ``calls`` holds what that took."""
        body = b"".join(codec.encode_request(int(api), version, message))
        data = frame(int(api), version, 7, "c", body)
        self.calls.clear()
        sys.setprofile(self._note)
        try:
            self._writer.write(data)
            (length,) = struct.unpack(">i", await self._reader.readexactly(4))
            answer = await self._reader.readexactly(length)
        finally:
            sys.setprofile(None)
        header = len(codec.encode_response_header(int(api), version, 7))
        return codec.decode_response(int(api), version, memoryview(answer), header)

    async def ask_undisturbed(self, api: ApiKey, version: int, message: Any) -> Any:
        """Ask a few times, since a timer of something else may ring in any of them.

        The last answer is returned, and ``calls`` are the fewest.
        """
        walks = []
        for _ in range(6):
            answer = await self.ask(api, version, message)
            walks.append(self.calls[:])
        self.calls = min(walks[1:], key=len)
        return answer

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        # What is generated has no file: constructors, and the coders of messages.
        if event == "call" and (name.startswith(PACKAGE) or name[0] == "<"):
            self.calls.append(name.removeprefix(PACKAGE))

    @property
    def modules(self) -> set[str]:
        return {name for name in self.calls if name[0] != "<"}


@pytest.fixture
async def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    settings = Settings(data=tmp_path / "bus.db", kafka=(Address("127.0.0.1", 0),), http=())
    async with FakeBus(settings) as bus:
        # Where another test has brought what replaces clocks, each look at one takes a call more.
        monkeypatch.delitem(sys.modules, "time_machine", raising=False)
        # What is noted is worked on later, and not while calls are counted.
        monkeypatch.setattr(bus.broker.activity, "wake", lambda: None)
        await bus.broker.topics.create("t", 1, {})
        host, port = bus.bootstrap_servers.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        await bus.lineage.settle()
        yield Walk(reader, writer)
        writer.close()
        await writer.wait_closed()


async def test_a_produced_batch_enters_few_modules_and_takes_few_calls(walk: Walk) -> None:
    request = produce_request("t", batch(b"v"))
    answer = await walk.ask_undisturbed(ApiKey.PRODUCE, 9, request)
    assert answer.responses[0].partition_responses[0].base_offset == 5
    assert walk.modules == PRODUCE
    assert len(walk.modules) <= MOST_MODULES
    assert len(walk.calls) <= MOST_CALLS, "\n".join(walk.calls)


async def test_a_fetched_batch_comes_from_memory_through_few_modules(walk: Walk) -> None:
    await walk.ask(ApiKey.PRODUCE, 9, produce_request("t", batch(b"v")))
    answer = await walk.ask_undisturbed(ApiKey.FETCH, 11, fetch_request("t", 0))
    assert answer.responses[0].partitions[0].records
    assert walk.modules == FETCH
    assert len(walk.calls) <= MOST_FETCH_CALLS, "\n".join(walk.calls)
    assert "storage/sqlite_reads.py" not in walk.modules
