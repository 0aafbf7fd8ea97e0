"""Lineage of one bus: takes what the broker notes, keeps it and answers from it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from fakebus.broker.activity import LIBRARY, NOWHERE, Activities, Activity, Origin
from fakebus.broker.broker import Broker
from fakebus.errors import BrokerError, StorageError
from fakebus.lineage.clients import THE_BUS, Clients
from fakebus.lineage.history import ENDED, LOST_TRACK
from fakebus.lineage.notes import Notebook
from fakebus.lineage.peers import PeerFinder
from fakebus.lineage.services import ServiceRule, Services
from fakebus.storage.lineage_interface import ClientRow, LineageStore
from fakebus.types import TopicPartition

_WRITE_S = 0.15
"""How long activities wait until they are stored."""
PEERS_MS = 5000
"""How long what a client does waits until its process is found: as long as connections of a process
are taken for those of several, what it writes is not held against what it commits."""
_AT_ONCE = 500
"""Activities that are worked on without letting clients have their turn."""
_TRIM_EVERY = 100
"""Notes after which old ones are looked for."""


DeclaredServices = Callable[[], Awaitable[Mapping[str, ServiceRule]]]


async def _none_declared() -> Mapping[str, ServiceRule]:
    return {}


def _do_nothing() -> None:
    """Tell nobody."""


_PLACE = "place"
"""Beside the patterns of a service's rule: of two that fit, the one with the larger counts."""


class Lineage:
    """Notes of a bus, and what can be asked about them.

    Args:
        broker: the bus.
        store: where it is kept.
        declared: tells which services are declared, by name.
    """

    def __init__(
        self, broker: Broker, store: LineageStore, declared: DeclaredServices = _none_declared
    ) -> None:
        self.store = store
        self.services = Services()
        self.clients = Clients(self.services)
        self.on_stored: Callable[[], object] = _do_nothing
        """Called when something new is stored."""
        self._broker = broker
        self._declared = declared
        self._notebook = Notebook(self.clients)
        self._peers = PeerFinder(self.clients.looked_up)
        self._rules = broker.values("lineage.service.")
        self._last_place = 0
        self._untrimmed = 0
        self._will_write = False
        self._noted: asyncio.Future[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Go on where the bus was before.

        Raises:
            StorageError: what is stored cannot be read.
        """
        stored = {name: json.loads(text) for name, text in self._rules.all().items()}
        places = {name: patterns.pop(_PLACE, 0) for name, patterns in stored.items()}
        for service in sorted(stored, key=lambda name: places[name]):
            self.services.set(ServiceRule(service, **stored[service]))
        self._last_place = max(places.values(), default=0)
        activity = self._broker.activity
        if not activity.enabled:
            return
        last, rows = await self.store.load_clients()
        self._notebook.last_seq = last
        self.clients.load(rows)
        if last and not await self.store.notes_of_clients((THE_BUS,), (last, last), (ENDED,), 1):
            self._tell(LOST_TRACK)
        activity.on_peer = self._peers.look_for
        activity.wake = self._wake
        if activity.waiting:
            self._write()

    async def close(self) -> None:
        """Store what has come; nothing more is noted."""
        activity = self._broker.activity
        activity.on_peer = None
        await self._peers.close()
        with contextlib.suppress(StorageError):
            self.write_all()
            if activity.enabled:
                self._tell(ENDED)
        self._closed = True

    def _tell(self, verb: str) -> None:
        """Note something of the bus itself."""
        now_ms = self._broker.clock.now_ms()
        self._notebook.note(Activity(verb, now_ms, LIBRARY, *NOWHERE, -1, -1))
        self._store()

    async def settle(self) -> None:
        """Return when all that has happened is stored and can be asked for.

        Raises:
            StorageError: it could not be stored.
        """
        await self._peers.settle()
        while (append := self._broker.activity.unsettled) is not None:
            with contextlib.suppress(BrokerError):
                await append
        self.write_all()
        await self._broker.settle()
        self.services.declare(await self._declared())

    def _wake(self) -> None:
        if not self._will_write:
            self._will_write = True
            self._broker.clock.wait(_WRITE_S, self._write)

    def _write(self) -> None:
        """Store what has come, some of it at a time."""
        self._will_write = False
        if self._closed:
            return
        self._take(_AT_ONCE, PEERS_MS)
        if not self._broker.activity.is_empty:
            self._wake()
        with contextlib.suppress(StorageError):
            self._store()

    @property
    def activity(self) -> Activities:
        """What the broker notes."""
        return self._broker.activity

    async def noted_within(self, timeout_s: float) -> bool:
        """Return whether something more is noted within a time, as soon as it is."""
        if self._noted is None:
            self._noted = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait((self._noted,), timeout=timeout_s)
        return bool(done)

    def write_all(self) -> None:
        """Take in all that has come, and have it stored; what is under way is not.

        Raises:
            StorageError: it cannot be stored.
        """
        while self._take(_AT_ONCE):
            pass
        self._store()

    def _take(self, most: int, patience_ms: int = 0) -> bool:
        """Take in some activities; return whether there may be more."""
        note = self._notebook.note
        if self._noted is not None:
            self._noted.set_result(None)
            self._noted = None
        for count, activity in enumerate(self._broker.activity.take(patience_ms)):
            note(activity)
            if count >= most:
                return True
        return False

    def _store(self) -> None:
        forgotten = self.clients.forgotten()
        if forgotten:
            self.store.forget_clients(forgotten)
        notes, clients = self._notebook.take(), self.clients.changed()
        if not notes and not clients:
            return
        self.store.add_notes(notes, clients)
        self.on_stored()
        self._untrimmed += len(notes)
        if self._untrimmed >= _TRIM_EVERY:
            self._untrimmed = 0
            config, now_ms = self._broker.config, self._broker.clock.now_ms()
            before_ms = now_ms - config.get_int("fakebus.lineage.retention.ms")
            self.store.trim_notes(config.get_int("fakebus.lineage.max.notes"), before_ms)

    # -- snapshots --

    name = "lineage"

    def mark(self) -> Mapping[str, Any]:
        """Return where the lineage stands."""
        self.write_all()
        self._notebook.begin_anew()
        return {
            "seq": self._notebook.last_seq,
            "client": self.clients.last,
            "clients": [client.row() for client in self.clients.by_number.values()],
        }

    async def roll_back(self, mark: Mapping[str, Any], new_ids: Mapping[UUID, UUID]) -> None:
        """Forget what was noted after a mark, and that clients were sent what has gone."""
        await self.settle()
        self._broker.activity.positions.cut_off(self._end_of)
        self._notebook.forget()
        rows = [ClientRow._make(row) for row in mark["clients"]]
        self.clients.load(rows)
        self.store.add_notes([], rows)
        await self.store.forget_notes_after(mark["seq"], mark["client"])

    def _end_of(self, place: TopicPartition) -> int:
        log = self._broker.topics.logs.get(place)
        return 0 if log is None else log.log_end_offset

    async def set_service(self, rule: ServiceRule) -> None:
        """Name a service by a rule, which comes before what is known otherwise and is kept.

        Args:
            rule: takes the place of the service's earlier one; without patterns there is none.

        Raises:
            TooManyRulesError: there are too many already.
            StorageError: it could not be stored.
        """
        self.services.check(rule)
        self._last_place += 1
        patterns = {name: list(found) for name, found in rule.patterns.items() if found}
        text = json.dumps({**patterns, _PLACE: self._last_place}) if patterns else None
        await self._rules.set(rule.service, text)
        self.services.set(rule)

    # -- questions --

    def service_of(self, origin: Origin) -> str:
        """Return the service of a client, as far as it is known by now."""
        client = self.clients.of(origin, self._broker.clock.now_ms())
        return self.clients.service_of(client)

    async def list_clients(self) -> list[dict[str, Any]]:
        """Return all clients, by service and client id."""
        await self.settle()
        # Of thousands of clients each is held against all rules.
        found = await asyncio.to_thread(self.clients.listed, self._broker.clock.now_ms())
        for told in found:
            told["asked_for_unknown"] = [
                # Many clients ask for a topic a little before somebody makes it.
                name
                for name in told["asked_for_unknown"]
                if self._broker.topics.get(name) is None
            ]
        return found
