"""Clients that the bus has met: who they are, which process and service they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from heapq import nsmallest
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from fakebus.broker.activity import Activity, Origin
from fakebus.broker.peer import Peer
from fakebus.lineage.owing import Owing
from fakebus.lineage.services import Services
from fakebus.processes import Process, default_gateway
from fakebus.storage.lineage_interface import ClientRow
from fakebus.types import TopicPartition

THE_BUS = 0
"""The client's number of what the bus does itself."""
_OWN_FRONT_ENDS = ("registry", "fixtures", "library")
_MOST_TOPICS = 200
"""That are remembered of one client, for each thing that it does with topics."""
_TIMES_LATE = 3
"""Commits after which a client has to write to a topic to be one that commits first."""
_MOST_CLIENTS = 5000
_MOST_RANGES = 100
_MOST_REMEMBERED = 10_000
"""Partitions or groups for which something is remembered."""
_KEEP_SEEN_MS = 5000
"""How far behind what is stored of a client's last sign of life may be."""
_LISTS = ("groups", "produces", "consumes", "asked_for_unknown", "produces_after_commit")


def make_room(
    remembered: MutableMapping[Any, Any], key: object, most: int = _MOST_REMEMBERED
) -> None:
    """Forget what was remembered first, if there is no room for a key that is new."""
    if len(remembered) >= most and key not in remembered:
        del remembered[next(iter(remembered))]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Run:
    """Run of activities of one kind by one process, and what it was sent."""

    verb: str = ""
    notes: dict[tuple[int, str, int, str, str], Any] = field(default_factory=dict)
    """The notes of this run that may still grow, by client, partition, group and transaction."""
    fetched: dict[TopicPartition, list[tuple[int, int]]] = field(default_factory=dict)
    """The offsets that the process was sent and has not committed, as ranges."""
    committed_ms: int = -1
    """When it has committed last; -1 if it has not."""
    owing: Owing = field(default_factory=Owing)

    def add_fetched(self, place: TopicPartition, first: int, last: int) -> bool:
        """Add offsets to those that the process was sent; return whether it had some already."""
        make_room(self.fetched, place)
        ranges = self.fetched.setdefault(place, [])
        is_again = any(first <= each[1] and each[0] <= last for each in ranges)
        apart = [each for each in ranges if each[1] + 1 < first or each[0] > last + 1]
        joined = [each for each in ranges if each not in apart]
        first = min([first, *(each[0] for each in joined)])
        last = max([last, *(each[1] for each in joined)])
        ranges[:] = sorted([*apart, (first, last)])[-_MOST_RANGES:]
        return is_again

    def pass_fetched(self, place: TopicPartition, end: int) -> None:
        """Take off the ranges that end before an offset."""
        if place in self.fetched:
            self.fetched[place] = [each for each in self.fetched[place] if each[1] >= end]

    def forget_fetched(self, topic: str) -> None:
        """Take off all that was of a topic."""
        for place in [place for place in self.fetched if place.topic == topic]:
            del self.fetched[place]

    def take_off_fetched(self, place: TopicPartition, first: int, last: int) -> None:
        """Take off some offsets, both included."""
        if place in self.fetched:
            self.fetched[place] = [
                part
                for begin, end in self.fetched[place]
                for part in ((begin, min(end, first - 1)), (max(begin, last + 1), end))
                if part[0] <= part[1]
            ][-_MOST_RANGES:]


@dataclass(slots=True, eq=False)
class Client:
    """Client: what cannot be told apart is one."""

    number: int
    first_seen_ms: int
    last_seen_ms: int
    facts: dict[str, Any]
    """What is known of it, as it is stored."""
    run: Run
    is_old: bool = False
    """Whether it was known before the bus was started."""
    stored_ms: int = -1
    """``last_seen_ms`` as it is stored; -1 when something else is to be stored, too."""
    origins: dict[Origin, None] = field(default_factory=dict)
    """Its connections that may still be open."""
    service: tuple[object, str] | None = None
    """Its service by itself, and the rules that say so; ``None`` if it is to be worked out."""
    _late: dict[str, set[int]] = field(default_factory=dict)
    """The commits after which it has written to a topic, until they are often enough."""

    def row(self) -> ClientRow:
        """Return it as it is stored from now on."""
        self.stored_ms = self.last_seen_ms
        return ClientRow(self.number, self.first_seen_ms, self.last_seen_ms, dict(self.facts))

    def add(self, name: str, value: str) -> None:
        """Add to one of its lists, such as the topics that it produces to."""
        known = self.facts[name]
        if value and value not in known and len(known) < _MOST_TOPICS:
            # What is stored is another list, which does not change while it is written.
            self.facts[name] = [*known, value]
            self.has_changed()

    def see_late(self, topic: str) -> None:
        """Note that it writes to a topic when all that its process was sent is committed."""
        commits = self._late.setdefault(topic, set()) if len(self._late) < _MOST_TOPICS else set()
        commits.add(self.run.committed_ms)
        if len(commits) == _TIMES_LATE:
            self.add("produces_after_commit", topic)
            commits.clear()

    def has_changed(self) -> None:
        """Let what is known of it be stored, and its service be worked out again."""
        self.stored_ms, self.service = -1, None

    @property
    def is_apart(self) -> bool:
        """Whether another one that looks alike may be another process."""
        return bool(self.facts.get("is_apart"))

    @property
    def is_connected(self) -> bool:
        """Whether one of its connections is open."""
        return any(not origin.closed for origin in self.origins)


class Clients:
    """All clients, by what tells them apart.

    Args:
        services: tells which service a client belongs to.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self.by_number: dict[int, Client] = {}
        self.last = THE_BUS
        """The highest number in use."""
        self._by_key: dict[tuple[object, ...], Client] = {}
        self._runs: WeakValueDictionary[tuple[object, ...], Run] = WeakValueDictionary()
        self._found: dict[tuple[object, ...], WeakSet[Run]] = {}
        """The runs of processes that were found, by what their connections look like."""
        self._forgotten: list[int] = []
        self._bus = Client(THE_BUS, 0, 0, {name: [] for name in _LISTS}, Run())

    def load(self, rows: Iterable[ClientRow]) -> None:
        """Take what is stored for what there is, instead of what was known."""
        self.by_number.clear()
        self._by_key.clear()
        self._runs.clear()
        self._found.clear()
        for row in rows:
            facts = {**{name: [] for name in _LISTS}, **row.facts}
            client = Client(*row[:3], facts, self._run_of(facts), is_old=True, stored_ms=row[2])
            self.by_number[client.number] = client
            if not client.is_apart:
                self._by_key.setdefault(_key(facts), client)
            self.last = max(self.last, client.number)

    def of(self, origin: Origin, at_ms: int) -> Client:
        """Return the client of an origin, which has given a sign of life."""
        client: Client | None = origin.client
        if client is None or self.by_number.get(client.number) is not client:
            client = self._new(origin, at_ms)
        client.last_seen_ms = at_ms
        return client

    def _new(self, origin: Origin, at_ms: int) -> Client:
        if origin.front_end in _OWN_FRONT_ENDS and origin.peer is None:
            return self._bus
        facts = self._facts(origin)
        key = _key(facts)
        if origin.peer is not None:
            name = self.services.service_of(facts)
            is_apart = _is_apart(facts, name, is_gone=origin.closed)
            facts["is_apart"] = origin.peer.looked_up and is_apart
            if not origin.peer.looked_up or facts["is_apart"]:
                # It may turn out to be somebody else.
                key = (*key, origin.peer)
        client = self._by_key.get(key)
        if client is None:
            self._make_room()
            self.last += 1
            client = Client(self.last, at_ms, at_ms, facts, self._run_of(facts))
            self.by_number[client.number] = self._by_key[key] = client
        client.origins = {each: None for each in client.origins if not each.closed}
        client.origins[origin] = None
        origin.client = client
        return client

    def _facts(self, origin: Origin) -> dict[str, Any]:
        peer = origin.peer
        facts: dict[str, Any] = {
            "client_id": origin.client_id,
            "front_end": origin.front_end,
            "principal": origin.principal,
            "listener": peer.listener if peer else "",
            "software": peer.software if peer else "",
            "address": peer.host if peer else "",
            "is_shared": peer is None or _is_shared(peer),
            "host_name": peer.host_name if peer else "",
            "process": _process_facts(peer.process) if peer else None,
            **{name: [] for name in _LISTS},
        }
        return facts

    def _run_of(self, facts: Mapping[str, Any]) -> Run:
        """Return the run that all clients of one process share, or those of one container.

        Other connections that look the same are taken for those of one process until it is found,
        and for good when it has ended by then: what one of them fetched is not skipped by another.
        """
        process, key = facts["process"], _key(facts)
        if process is not None:
            key = process["pid"], process["started"]
        elif not facts.get("is_shared", True):
            key = (facts["address"],)
        run = self._runs.setdefault(key, Run())
        if process is not None:
            looks = looks_of(facts)
            make_room(self._found, looks)
            self._found.setdefault(looks, WeakSet()).add(run)
        return run

    def runs_of(self, client: Client) -> list[Run]:
        """Return the runs that may be of a client's process: one, unless that is not known.

        It may be that of another connection, of the same process, that was looked up in time, or in
        vain.
        """
        if client is self._bus:
            return [client.run]
        looks = looks_of(client.facts)
        if client.facts["process"] is None:
            alike = list(self._found.get(looks, ()))
        else:
            unknown = self._runs.get((*looks, None))
            alike = [] if unknown is None else [unknown]
        return [client.run, *(run for run in alike if run is not client.run)]

    def runs_that_were_sent(self, topic: str) -> set[Run]:
        """Return the runs of the clients that have read a topic."""
        return {each.run for each in self.by_number.values() if topic in each.facts["consumes"]}

    def _make_room(self) -> None:
        if len(self.by_number) < _MOST_CLIENTS:
            return
        # One that gives a sign of life after that is a new one.
        most = len(self.by_number) - _MOST_CLIENTS + _MOST_CLIENTS // 10
        for client in nsmallest(
            most, self.by_number.values(), key=lambda each: (each.is_connected, each.last_seen_ms)
        ):
            del self.by_number[client.number]
            self._forgotten.append(client.number)
        self._by_key = {
            key: client
            for key, client in self._by_key.items()
            if self.by_number.get(client.number) is client
        }

    def forgotten(self) -> list[int]:
        """Return the clients that were forgotten since this was called last."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def looked_up(self, peer: Peer) -> None:
        """Complete the clients of a connection whose process has been looked for."""
        for key, client in list(self._by_key.items()):
            if key[-1] is peer:
                del self._by_key[key]
                self._complete(client, peer)

    def _complete(self, client: Client, peer: Peer) -> None:
        """Let a client be the one that it has turned out to be."""
        client.facts |= {"process": _process_facts(peer.process), "host_name": peer.host_name}
        client.has_changed()
        assumed, client.run = client.run, self._run_of(client.facts)
        if client.run is not assumed:
            # What it wrote was not held against what others of its process have committed.
            owing, facts = client.run.owing, client.facts
            facts["is_behind"] = owing.join(assumed.owing, client.number) or facts.get("is_behind")
            facts["is_unsure"] = owing.is_unsure
            for place, ranges in assumed.fetched.items():
                for first, last in ranges:
                    client.run.add_fetched(place, first, last)
        name, is_gone = self._name_of(client), not client.is_connected
        client.facts["is_apart"] = _is_apart(client.facts, name, is_gone=is_gone)
        if client.is_apart:
            return
        known = self._by_key.setdefault(_key(client.facts), client)
        if known is not client:
            # What was noted stays with the row that it has; what comes goes to the first.
            known.origins |= client.origins
            for origin in client.origins:
                origin.client = known
            for name in _LISTS:
                for value in client.facts[name]:
                    known.add(name, value)

    def key_of(self, client: Client) -> object:
        """Return what all rows of one client have in common, as far as that is known already."""
        pending = [each for each in client.origins if each.peer and not each.peer.looked_up]
        return client.number if pending else _key(client.facts)

    def changed(self) -> list[ClientRow]:
        """Return what is to be stored of clients."""
        return [
            client.row()
            for client in self.by_number.values()
            if client.stored_ms < 0 or client.last_seen_ms - client.stored_ms > _KEEP_SEEN_MS
        ]

    def service_of(self, client: Client) -> str:
        """Return the service that a client belongs to.

        In a container of its own, what says no name belongs to the only service that does.
        """
        name, address = self._name_of(client), client.facts["address"]
        if name != address or client.facts.get("is_shared", True):
            return name
        everybody = tuple(self.by_number.values())
        there = {self._name_of(each) for each in everybody if each.facts["address"] == address}
        named = there - {address}
        return named.pop() if len(named) == 1 else name

    def _name_of(self, client: Client) -> str:
        rules = self.services.in_force
        if client.service is None or client.service[0] is not rules:
            client.service = rules, self.services.service_of(client.facts)
        return client.service[1]

    def listed(self, now_ms: int) -> list[dict[str, Any]]:
        """Return all clients as others see them, those that are the same to them as one."""
        found: dict[tuple[object, ...], dict[str, Any]] = {}
        for client in tuple(self.by_number.values()):
            told = self.told(client, now_ms)
            if not (told["connected"] or any(told[name] for name in _LISTS)):
                # Many libraries ask on a connection of its own where the brokers are.
                continue
            process = told["process"]
            key = (
                *(told[name] for name in ("client_id", "service", "software", "address")),
                process and process["pid"],
            )
            if key in found:
                _merge(found[key], told)
            else:
                found[key] = told
        return sorted(found.values(), key=lambda told: (told["service"], told["client_id"]))

    def told(self, client: Client, now_ms: int) -> dict[str, Any]:
        """Return one client as others see it."""
        facts, connected = client.facts, client.is_connected
        process = facts["process"]
        return {
            "client_id": facts["client_id"],
            "service": self.service_of(client),
            "software": facts["software"],
            "address": facts["address"],
            "process": process
            and {
                "pid": process["pid"],
                "command": " ".join(process["arguments"]),
                "directory": process["directory"],
            },
            **{name: sorted(facts[name]) for name in _LISTS},
            "first_seen_ms": client.first_seen_ms,
            "last_seen_ms": now_ms if connected else client.last_seen_ms,
            "host_name": facts["host_name"],
            "front_end": facts["front_end"],
            "listener": facts["listener"],
            "principal": facts["principal"],
            "connected": connected,
        }

    def see(self, activity: Activity, client: Client) -> None:
        """Add to what a client is known for."""
        verb, topic = activity.verb, activity.topic
        if verb == "produced":
            # Who replays a record does not own what it says.
            client.add("produces", topic)
        elif verb in ("fetched", "fetches", "acknowledged"):
            client.add("consumes", topic)
        elif verb == "asked for" and not activity.detail:
            client.add("asked_for_unknown", topic)
        if activity.group and verb in ("joined", "was assigned", "committed", "acknowledged"):
            client.add("groups", activity.group)


def _is_apart(facts: Mapping[str, Any], service: str, *, is_gone: bool) -> bool:
    """Whether a client may be another one than those that look like it.

    Its process was not found and may be any of this machine, and either it has gone by now or it
    has no name of its own.
    """
    is_unknown = facts["process"] is None and facts["is_shared"]
    return is_unknown and (is_gone or service == facts["address"])


def _is_shared(peer: Peer) -> bool:
    """Whether many programs may have a client's address: it is this machine's or a gateway's."""
    host = peer.host.removeprefix("::ffff:")
    return host in (peer.local_host, "::1", _gateway()) or host.startswith("127.")


_gateway = cache(default_gateway)


def looks_of(facts: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what a client has in common with others of which it may be one."""
    names = ("front_end", "client_id", "principal", "listener", "software", "address", "host_name")
    return tuple(facts[name] for name in names)


def _key(facts: Mapping[str, Any]) -> tuple[object, ...]:
    process = facts["process"]
    return (*looks_of(facts), process and (process["pid"], process["started"]))


def _process_facts(process: Process | None) -> dict[str, Any] | None:
    return None if process is None else {**process._asdict(), "arguments": list(process.arguments)}


def _merge(told: dict[str, Any], other: Mapping[str, Any]) -> None:
    for name in _LISTS:
        told[name] = sorted({*told[name], *other[name]})
    told["first_seen_ms"] = min(told["first_seen_ms"], other["first_seen_ms"])
    told["last_seen_ms"] = max(told["last_seen_ms"], other["last_seen_ms"])
    told["connected"] |= other["connected"]
