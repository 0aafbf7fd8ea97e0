"""Clients as flows see them: which of them are one process, and which read for a group."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from fakebus.lineage.clients import Client, Clients, looks_of
from fakebus.lineage.history import SENT
from fakebus.storage.lineage_interface import NoteRow

_WRITES, _READS = 1, 2
_LATE = "produces_after_commit"


class KnownClients:
    """Clients of a bus, for the time of one question.

    Clients of one process on this machine are one. Elsewhere, those of one service at one address
    are. A connection that was gone before its process was found is by itself: others that look like
    it may be another process. In the process that the bus itself runs in, which is that of a test,
    several services may live: there a client id under which is both read and written is a service
    of its own, apart from others like it. What only reads or only writes may be a part of any of
    them.

    Args:
        clients: the clients.
        now_ms: the time of the question.
    """

    def __init__(self, clients: Clients, now_ms: int) -> None:
        self._clients = clients
        self._now_ms = now_ms
        self._told: dict[int, Mapping[str, Any]] = {}
        # A question asks the same of thousands of notes.
        self.of_process = cache(self._of_process)
        self._same_as = cache(self._find_same)
        self._processes: dict[object, list[Client]] = defaultdict(list)
        self._same: dict[object, list[Client]] = defaultdict(list)
        """Those that turned out to be one when it was found which process they belong to."""
        self._uses: dict[str, int] = defaultdict(int)
        """What is done under a client id in this process: it writes, reads, or both."""
        for client in clients.by_number.values():
            self._processes[self._process(client)].append(client)
            self._same[clients.key_of(client)].append(client)
            if _is_here(client):
                facts = client.facts
                use = _WRITES * bool(facts["produces"]) | _READS * bool(facts["consumes"])
                self._uses[facts["client_id"]] |= use

    def _process(self, client: Client) -> object:
        facts = client.facts
        process = facts["process"]
        if process is not None:
            return process["pid"], process["started"]
        if facts["address"] and not client.is_apart:
            return facts["address"], self._clients.service_of(client)
        return client.number

    def _of_process(self, client: int) -> Sequence[int]:
        """Return the clients of a client's process, itself included."""
        known = self._clients.by_number.get(client)
        if known is None:
            return [client]
        kin = self._processes[self._process(known)]
        if _is_here(known) and self._is_whole(known):
            own = known.facts["client_id"]
            kin = [
                each for each in kin if each.facts["client_id"] == own or not self._is_whole(each)
            ]
        return sorted(each.number for each in kin)

    def _is_whole(self, client: Client) -> bool:
        return self._uses[client.facts["client_id"]] == _WRITES | _READS

    def _rows_of(self, client: int) -> Sequence[Client]:
        """Return all rows of one client; none for one that is not known any more."""
        known = self._clients.by_number.get(client)
        return [] if known is None else self._same[self._clients.key_of(known)]

    def completed(self, note: NoteRow) -> NoteRow:
        """Return a note with what became known later: which client it was, and of which group.

        The group of a fetch follows from what the client has asked before, by its id; two processes
        may have the same. A client that was a member of one group only is a surer sign.
        """
        client, group = self._same_as(note.client)
        if client == note.client and (note.verb != SENT or group in ("", note.group)):
            return note
        is_sent = note.verb == SENT and group
        return note._replace(client=client, group=group if is_sent else note.group)

    def _find_same(self, client: int) -> tuple[int, str]:
        """Return the first row of a client, and the only group that it was a member of, if any."""
        rows = self._rows_of(client)
        groups = {group for each in rows for group in each.facts["groups"]}
        return rows[0].number if rows else client, groups.pop() if len(groups) == 1 else ""

    def late_topics(self, client: int) -> set[str]:
        """Return the topics that a client writes to also when it has committed all it was sent."""
        return {topic for each in self._rows_of(client) for topic in each.facts[_LATE]}

    def is_behind(self, client: int) -> bool:
        """Whether its process works at what it has committed while it commits more."""
        return any(each.facts.get("is_behind") for each in self._rows_of(client))

    def is_unsure(self, client: int) -> bool:
        """Whether its process has written when it had committed more than it had written."""
        return any(each.facts.get("is_unsure") for each in self._rows_of(client))

    def of_group(self, group: str) -> frozenset[int]:
        """Return the clients that are, or were, members of a group."""
        return self._members.get(group, frozenset())

    @cached_property
    def _members(self) -> Mapping[str, frozenset[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for rows in self._same.values():
            numbers = [row.number for row in rows]
            for group in {group for row in rows for group in row.facts["groups"]}:
                found[group].update(numbers)
        return {group: frozenset(numbers) for group, numbers in found.items()}

    def may_be_one(self, client: int, other: int) -> bool:
        """Whether two look the same and the process of one was gone before it was found."""
        both = [self._clients.by_number.get(each) for each in (client, other)]
        looks = {looks_of(each.facts) for each in both if each is not None}
        unknown = [each for each in both if each is not None and each.facts["process"] is None]
        return None not in both and len(looks) == 1 and bool(unknown)

    def groups_reading(self, topic: str) -> set[str]:
        """Return the groups whose clients were sent records of a topic."""
        return {
            group
            for rows in self._same.values()
            if any(topic in row.facts["consumes"] for row in rows)
            for row in rows
            for group in row.facts["groups"]
        }

    def service(self, client: int) -> str:
        """Return the service of a client; empty for none."""
        service: str = self.told(client).get("service", "")
        return service

    def told(self, client: int) -> Mapping[str, Any]:
        """Return client_id, service, process, address and front_end of a client."""
        if client not in self._told:
            known = self._clients.by_number.get(client)
            self._told[client] = {} if known is None else self._clients.told(known, self._now_ms)
        return self._told[client]


def _is_here(client: Client) -> bool:
    process = client.facts["process"]
    return process is not None and process["pid"] == os.getpid()
