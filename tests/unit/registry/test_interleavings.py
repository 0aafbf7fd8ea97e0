"""What happens while a registration waits for a thread: its outcome is that of an order of both.

The threads are replaced by gates, which the test opens one after the other; before one of them,
something else happens. All of this is played for every gate and everything else that may happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.snapshots import Snapshot
from fakebus.registry import parsing
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import Reference, SchemaRequest
from fakebus.registry.registry import Registry
from fakebus.storage.sqlite import SqliteStorage
from tests.manual_clock import ManualClock
from tests.unit.registry.conftest import NOW_MS
from tests.unit.registry.test_registering import request
from tests.unit.registry.test_schema_log import LOG, write

_PATIENCE_S = 60
Result = object
Event = Callable[["World"], Awaitable[None]]


@dataclass
class Gates:
    """Threads that begin their work when the test opens them."""

    waiting: list[asyncio.Event] = field(default_factory=list)
    are_open: bool = False

    async def run(self, work: Callable[[], Result]) -> Result:
        if not self.are_open:
            gate = asyncio.Event()
            self.waiting.append(gate)
            await gate.wait()
        return work()

    def close(self) -> None:
        """End nothing."""

    async def reached(self, other: asyncio.Task[str]) -> bool:
        """Wait for the next gate; return False if a task ends without one."""
        async with asyncio.timeout(_PATIENCE_S):
            while not self.waiting:
                if other.done():
                    return False
                await asyncio.sleep(0)
        return True

    async def opened_until_done(self, other: asyncio.Future[Any]) -> None:
        """Open each gate that is reached, the newest first, until some work is done."""
        async with asyncio.timeout(_PATIENCE_S):
            while not other.done():
                await asyncio.sleep(0)
                if self.waiting:
                    # Nothing depends on which thread is quicker.
                    self.waiting.pop().set()


@dataclass
class World:
    """A registry of which a subject has two versions, and another is referred to."""

    broker: Broker
    registry: Registry
    gates: Gates
    snapshot: Snapshot

    def outline(self) -> Result:
        """Return all that the registry holds."""
        registry = self.registry
        schemas = [
            (one.subject, one.version, one.schema_id, one.schema, one.deleted)
            for one in registry.schemas(deleted=True)
        ]
        return schemas, [registry.config(name, default_to_global=True) for name in (None, "s")]

    async def register(self, wanted: SchemaRequest) -> str:
        try:
            found = await self.registry.register("s", wanted)
        except RegistryError as error:
            return str(error.error_code)
        return f"{found.version} {found.schema_id}"

    async def happen(self, event: Event) -> str:
        try:
            await event(self)
        except RegistryError as error:
            return str(error.error_code)
        return "done"


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=ManualClock(NOW_MS))
    await broker.start()
    registry, gates = Registry(broker), Gates(are_open=True)
    registry._parser._workers = gates  # type: ignore[assignment]
    await registry.start()
    broker.participants.append(registry)
    await registry.register("r", json_request('{"x":1}'))
    await registry.register("s", json_request('{"a":null}'))
    snapshot = await broker.snapshots.take()
    await registry.register("s", json_request('{"a":null,"b":1}'))
    gates.are_open = False
    # What was parsed so far would not have to wait.
    registry._parser._cache.clear()
    registry._parser._cached_characters = 0
    try:
        yield World(broker, registry, gates, snapshot)
    finally:
        await registry.close()
        await broker.close()
        await storage.close()


def json_request(text: str, *references: Reference) -> SchemaRequest:
    return request(text, schema_type="JSON", references=references)


async def forbid(here: World) -> None:
    await here.registry.set_config("s", {"compatibility": "FORWARD"})


async def forbid_everywhere(here: World) -> None:
    await here.registry.set_config(None, {"compatibility": "FORWARD"})


async def allow(here: World) -> None:
    await here.registry.set_config("s", {"compatibility": "NONE"})


async def close_subject(here: World) -> None:
    await here.registry.set_mode("s", "READONLY")


async def delete_the_latest(here: World) -> None:
    await here.registry.delete_version("s", 2)


async def delete_the_subject_for_ever(here: World) -> None:
    await here.registry.delete_subject("s")
    await here.registry.delete_subject("s", permanent=True)


async def delete_what_is_referred_to(here: World) -> None:
    await here.registry.delete_subject("r")


async def replace_what_is_referred_to(here: World) -> None:
    await here.registry.delete_subject("r")
    await here.registry.delete_subject("r", permanent=True)
    await write_schema(here, "r", 1, 7, '{"poison":1}')


async def register_behind_its_back(here: World) -> None:
    await write_schema(here, "s", 3, 8, '{"a":null,"c":null}')


async def delete_the_topic(here: World) -> None:
    topic = here.broker.topics.get(LOG.topic)
    assert topic is not None
    await here.broker.topics.delete(topic)


async def roll_back(here: World) -> None:
    await here.broker.snapshots.roll_back(here.snapshot)


async def write_schema(here: World, subject: str, version: int, number: int, text: str) -> None:
    key = {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}
    value = {"id": number, "schema": text, "schemaType": "JSON"}
    await write(here.broker, key, value)
    await here.registry._log.caught_up()


EVENTS = (
    forbid,
    forbid_everywhere,
    allow,
    close_subject,
    delete_the_latest,
    delete_the_subject_for_ever,
    delete_what_is_referred_to,
    replace_what_is_referred_to,
    register_behind_its_back,
    delete_the_topic,
    roll_back,
)
REFERENCE = Reference("r", "r", 1)
REQUESTS: Mapping[str, SchemaRequest] = {
    "poorer": json_request('{"b":1}'),
    "richer": json_request('{"a":null,"b":1,"new":null}'),
    "referring": json_request('{"a":null,"b":1,"d":1}', REFERENCE),
    "known": json_request('{"a":null,"b":1}'),
    "latest": json_request(""),
}


async def one_after_the_other(wanted: SchemaRequest, event: Event, *, first: bool) -> Result:
    async with world() as here:
        here.gates.are_open = True
        if first:
            happened = await here.happen(event)
        outcome = await here.register(wanted)
        if not first:
            happened = await here.happen(event)
        return outcome, happened, here.outline()


async def interleaved(wanted: SchemaRequest, event: Event, at: int) -> Result | None:
    """Let an event happen before a gate opens; ``None`` if there are not so many gates."""
    async with world() as here:
        registering = asyncio.ensure_future(here.register(wanted))
        for passed in range(at + 1):
            if not await here.gates.reached(registering):
                await registering
                return None
            if passed < at:
                here.gates.waiting.pop().set()
        here.gates.are_open = True
        happened = await here.happen(event)
        here.gates.waiting.pop().set()
        return await registering, happened, here.outline()


@pytest.mark.parametrize("wanted", REQUESTS)
@pytest.mark.parametrize("event", EVENTS)
async def test_what_comes_between_is_as_if_it_came_before_or_after(
    wanted: str, event: Event
) -> None:
    allowed = [
        await one_after_the_other(REQUESTS[wanted], event, first=first) for first in (True, False)
    ]
    at = 0
    while (found := await interleaved(REQUESTS[wanted], event, at)) is not None:
        assert found in allowed, f"before gate {at}"
        at += 1
    assert at > 0


@pytest.mark.parametrize("event", [forbid, forbid_everywhere])
async def test_what_is_forbidden_before_it_is_written_is_refused(event: Event) -> None:
    at = 0
    while (found := await interleaved(REQUESTS["poorer"], event, at)) is not None:
        assert isinstance(found, tuple)
        assert found[0] == "409", f"before gate {at}"
        at += 1
    assert at > 0


async def delete_what_refers_with_what_it_refers_to(here: World) -> None:
    for subject in ("s", "r"):
        await here.registry.delete_version(subject, "latest")
        latest = here.registry.versions(subject, deleted=True)[-1]
        await here.registry.delete_version(subject, latest, permanent=True)


async def test_a_refusal_is_thought_over_when_its_reason_is_gone() -> None:
    refused = set[str]()
    for at in range(3):
        async with world() as here:
            here.gates.are_open = True
            await forbid(here)
            await here.register(REQUESTS["referring"])
            here.gates.are_open = False
            here.registry._parser._cache.clear()
            registering = asyncio.ensure_future(here.register(REQUESTS["poorer"]))
            for _ in range(at):
                assert await here.gates.reached(registering)
                here.gates.waiting.pop().set()
            assert await here.gates.reached(registering)
            here.gates.are_open = True
            await delete_what_refers_with_what_it_refers_to(here)
            here.gates.waiting.pop().set()
            refused.add(await registering)
    assert refused == {"409"}


async def test_a_registration_waits_until_what_others_have_written_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as here:
        here.gates.are_open = True
        reached, may_read = asyncio.Event(), asyncio.Event()
        read = PartitionLog.read

        async def slow_read(log: PartitionLog, *where: int) -> object:
            reached.set()
            await may_read.wait()
            return await read(log, *where)

        monkeypatch.setattr(PartitionLog, "read", slow_read)
        with monkeypatch.context() as without_cache:
            without_cache.setattr(PartitionLog, "read_cached", lambda *_: None)
            writing = asyncio.ensure_future(register_behind_its_back(here))
            await reached.wait()
        registering = asyncio.ensure_future(here.register(REQUESTS["poorer"]))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not registering.done()
        may_read.set()
        assert await registering == "4 9"
        await writing


async def test_registrations_of_a_subject_that_come_at_once_are_judged_in_turn() -> None:
    async with world() as here:
        here.gates.are_open = True
        await forbid(here)
        here.gates.are_open = False
        richer = asyncio.ensure_future(here.register(REQUESTS["richer"]))
        poorer = asyncio.ensure_future(here.register(json_request('{"a":null,"b":1}')))
        both = asyncio.gather(richer, poorer)
        await here.gates.opened_until_done(both)
        assert await both == ["3 4", "2 3"]


async def test_no_part_of_a_log_that_is_read_again_is_taken_for_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as here:
        here.gates.are_open = True
        await forbid(here)
        here.snapshot = await here.broker.snapshots.take()
        await here.registry.set_config("t", {"compatibility": "NONE"})
        reached, may_read = asyncio.Event(), asyncio.Event()
        read = PartitionLog.read

        async def slow_read(log: PartitionLog, *where: int) -> object:
            if log.topic_partition == LOG:
                reached.set()
                await may_read.wait()
            return await read(log, *where)

        monkeypatch.setattr(PartitionLog, "read", slow_read)
        rolling_back = asyncio.ensure_future(roll_back(here))
        await reached.wait()
        assert here.registry.versions("s") == [1, 2]
        registering = asyncio.ensure_future(here.register(REQUESTS["poorer"]))
        changing = asyncio.ensure_future(here.registry.delete_version("s", 1))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not changing.done()
        may_read.set()
        assert await registering == "409"
        assert await changing == 1
        await rolling_back


async def test_schemas_that_are_parsed_twice_at_once_are_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parsing, "_CACHED_CHARACTERS", 30)
    async with world() as here:
        parser = here.registry._parser
        parsing_both = asyncio.gather(*(parser.parse("JSON", '{"twice":1}') for _ in range(4)))
        await here.gates.opened_until_done(parsing_both)
        here.gates.are_open = True
        assert parser._cached_characters == len('{"twice":1}')
        for number in range(10):
            await parser.parse("JSON", f'{{"field{number}":1}}')
        assert parser._cached_characters == sum(len(text) for _, text, _, _ in parser._cache)
        assert 0 < parser._cached_characters <= 30
