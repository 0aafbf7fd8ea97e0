"""How fast groups have committed lately, and which clients look for their coordinator."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

from fakebus.broker.groups.requests import PartitionOffset
from fakebus.broker.peer import Peer
from fakebus.broker.turns import TURN_UNITS, TurnBudget
from fakebus.clock import Clock
from fakebus.processes import Process
from fakebus.types import TopicPartition

_MOST_REMEMBERED = 10_000
_MOST_LETTERS = 1000
_MOST_COMMITS = 8
_COMMIT_STEP_MS = 1000
_MOST_LOOKUPS = 16
_ASTRAY_MS = 600_000
"""For how long a client counts as astray that does not even ask again."""
_STILL_REACHED_MS = 60_000
"""Clients look for a coordinator again that they have reached, when a connection was idle."""

LEFT = "it left"
"""Why a member is removed that has asked for it."""


def _tell_nobody(verb: str, group: str, client_id: str, member_id: str, reason: str) -> None:
    """Nobody wants to know."""


class CommitPoint(NamedTuple):
    """Offset that a group has committed at some time."""

    at_ms: int
    offset: int
    end: int
    """One past the last record of the partition then."""


_ANY = object()
"""Whatever it is."""


class Search(NamedTuple):
    """Search for a group's coordinator whose clients have not come to it yet."""

    client_id: str
    address: str
    """Where the newest client was told that the coordinator is."""
    since_ms: int
    times: int
    only_brokers: bool = False
    """Whether it has not even come to ask for the coordinator, but where the brokers are."""
    peer: Peer | None = None
    """Where the newest client has asked from, if that is known: others may have the same id."""


class Whereabouts(NamedTuple):
    """Whereabouts of a client: many call themselves the same."""

    client_id: str
    host: str
    process: Process | None

    @classmethod
    def of(cls, client_id: str, peer: Peer | None) -> Whereabouts:
        """Return those of one that has, or had, a connection."""
        where = ("", None) if peer is None else (peer.host, peer.process)
        return cls(client_id[:_MOST_LETTERS], *where)


class _Found:
    """Numbers by whereabouts: found for all that may be of the same program.

    They are if nothing that is known of both differs. Thousands may have one client id, so they are
    not compared by pairs.

    Args:
        choose: which of several numbers is found.
    """

    def __init__(self, choose: Callable[[Iterable[int]], int]) -> None:
        self._choose = choose
        self._numbers: dict[tuple[str, object, object], int] = {}

    def put(self, who: Whereabouts, number: int) -> None:
        """Add a number."""
        for place in product((who.client_id,), (who.host, _ANY), (who.process, _ANY)):
            self._numbers[place] = self._choose((number, self._numbers.get(place, number)))

    def get(self, who: Whereabouts) -> int | None:
        """Return what is found; ``None`` for nothing."""
        hosts = (who.host, "") if who.host else (_ANY,)
        processes = (who.process, None) if who.process else (_ANY,)
        places = product((who.client_id,), hosts, processes)
        found = [self._numbers[place] for place in places if place in self._numbers]
        return self._choose(found) if found else None


class GroupHistory:
    """Newest commits of groups, and searches for their coordinators.

    Args:
        clock: gives the time of each.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.note: Callable[[str, str, str, str, str], object] = _tell_nobody
        """Told what becomes of members and groups: ``left``, ``expelled`` or ``rebalancing``, the
        group, the member's client id and member id, and the reason. Who joins and commits is noted
        with the requests."""
        self._searches: dict[str, Search] = {}
        self._lookups: dict[tuple[str, Peer | None], tuple[str, deque[int]]] = {}
        """What clients were told last where the brokers are, and when."""
        self._reached: dict[str, int] = {}
        self._commits: dict[tuple[str, TopicPartition], deque[CommitPoint]] = {}
        self._turns = TurnBudget()

    def committed_all(
        self,
        group: str,
        offsets: Sequence[PartitionOffset],
        end_of: Callable[[TopicPartition], int | None],
    ) -> None:
        """Note offsets that were committed with one request; very many in turns of the event loop.

        Args:
            group: whose they are.
            offsets: what was committed.
            end_of: returns one past the last record of a partition, if it is still there.
        """
        for begin in range(0, len(offsets), TURN_UNITS):
            some = offsets[begin : begin + TURN_UNITS]
            self._turns.run(len(some), partial(self._note, group, some, end_of))

    def _note(
        self,
        group: str,
        offsets: Sequence[PartitionOffset],
        end_of: Callable[[TopicPartition], int | None],
    ) -> None:
        for topic, partition, offset, *_ in offsets:
            place = TopicPartition(topic, partition)
            end = end_of(place)
            self.committed(group, place, offset, offset if end is None else end)

    def committed(self, group: str, place: TopicPartition, offset: int, end: int) -> None:
        """Note an offset that was committed; of many within a second the first and the last."""
        points, now_ms = self._commits.pop((group, place), None), self._clock.now_ms()
        if points is None:
            if len(self._commits) >= _MOST_REMEMBERED:
                del self._commits[next(iter(self._commits))]
            points = deque(maxlen=_MOST_COMMITS)
        self._commits[group, place] = points
        if points and points[-1].offset == offset:
            return
        if len(points) > 1 and now_ms - points[-2].at_ms < _COMMIT_STEP_MS:
            points.pop()
        points.append(CommitPoint(now_ms, offset, end))

    def looked_for(
        self, group: str, client_id: str, address: str, peer: Peer | None = None
    ) -> None:
        """Note that a client was told where a group's coordinator is."""
        group, client_id = group[:_MOST_LETTERS], client_id[:_MOST_LETTERS]
        if self._clock.now_ms() - self._reached.get(group, -_STILL_REACHED_MS) < _STILL_REACHED_MS:
            return
        before = self._searches.pop(group, None)
        if len(self._searches) >= _MOST_REMEMBERED:
            del self._searches[next(iter(self._searches))]
        since_ms = self._clock.now_ms() if before is None else before.since_ms
        times = 1 if before is None else before.times + 1
        self._searches[group] = Search(client_id, address, since_ms, times, peer=peer)

    def looked_around(self, client_id: str, address: str, peer: Peer | None = None) -> None:
        """Note that a client was told where the brokers are."""
        client = client_id[:_MOST_LETTERS], peer
        _, moments = self._lookups.pop(client, ("", deque(maxlen=_MOST_LOOKUPS)))
        if len(self._lookups) >= _MOST_REMEMBERED:
            del self._lookups[next(iter(self._lookups))]
        moments.append(self._clock.now_ms())
        self._lookups[client] = address, moments

    def astray(self, done_ms: Mapping[Whereabouts, int]) -> list[Search]:
        """Return the clients that were told where the brokers are and did nothing, newest first.

        Connections under one id are one client if they may be of one process.

        Args:
            done_ms: when clients have done something else last.
        """
        now_ms, found = self._clock.now_ms(), list[Search]()
        done, known = _Found(max), _Found(min)
        for each, at_ms in done_ms.items():
            done.put(each, at_ms)
        for (client_id, peer), (address, moments) in reversed(self._lookups.items()):
            if now_ms - moments[-1] > _ASTRAY_MS:
                break
            who = Whereabouts.of(client_id, peer)
            later = [at_ms for at_ms in moments if at_ms > (done.get(who) or 0)]
            if not later:
                continue
            at = known.get(who)
            if at is None:
                known.put(who, len(found))
                which = client_id, address, later[0], len(later)
                found.append(Search(*which, only_brokers=True, peer=peer))
            else:
                times, since_ms = found[at].times + len(later), min(found[at].since_ms, later[0])
                found[at] = found[at]._replace(times=times, since_ms=since_ms)
        return found

    def reached(self, group: str) -> None:
        """Note that a client has come to the coordinator with a request about a group."""
        group = group[:_MOST_LETTERS]
        self._searches.pop(group, None)
        if group not in self._reached and len(self._reached) >= _MOST_REMEMBERED:
            del self._reached[next(iter(self._reached))]
        self._reached[group] = self._clock.now_ms()

    def search(self, group: str) -> Search | None:
        """Return the search for a group's coordinator that has not come to an end."""
        return self._searches.get(group[:_MOST_LETTERS])

    def commits(self, group: str, place: TopicPartition) -> Sequence[CommitPoint]:
        """Return some of the newest commits that have moved a group's offset, oldest first."""
        return tuple(self._commits.get((group, place), ()))
