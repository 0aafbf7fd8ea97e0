"""Positions of clients in the partitions that they fetch, and where they began anew.

A Fetch names no group. The group of a stream of fetches is the one that the same client has asked
for the committed offset of that partition before, as consumers do whenever they are assigned one.
Many clients call themselves the same: where their processes are known, those are told apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.fetching import FetchTarget
    from fakebus.processes import Process

_Reader = tuple[str, "Process | None"]
"""Group that is read for, and the process that does, if it is known."""
_MOST_PLACES = 10_000
_MOST_BEGINNINGS = 32
_MOST_MARKS = 16
_MARK_STEP_MS = 1000
_NOWHERE = -1


class FetchStream:
    """Stream of the fetches of a client from one partition, over one connection.

    Args:
        client_id: what the client calls itself.
        connection_id: the number of the connection.
        place: the partition.
    """

    __slots__ = (
        "asked_ms",
        "began",
        "client_id",
        "closed_ms",
        "connection_id",
        "delivered",
        "group",
        "is_reset",
        "is_waiting",
        "marks",
        "offset",
        "place",
        "reads_committed",
        "sent_to",
        "since_ms",
    )

    def __init__(self, client_id: str, connection_id: int, place: TopicPartition) -> None:
        self.client_id = client_id
        self.connection_id = connection_id
        self.place = place
        self.group = ""
        """Empty when it has asked for no group's offset."""
        self.began = _NOWHERE
        """Where it began after it had asked for its group's offset; -1 if it has not."""
        self.is_reset = False
        """Whether its group had committed nothing then, so that auto.offset.reset has decided."""
        self.offset = _NOWHERE
        """Where the newest fetch begins: the client has all that was sent before."""
        self.since_ms = 0
        """Since when its fetches begin there."""
        self.asked_ms = 0
        """When the newest fetch came."""
        self.is_waiting = False
        """Whether the newest fetch is not answered yet."""
        self.delivered = _NOWHERE
        """Where the newest fetch began that was answered with records; -1 for none."""
        self.sent_to = _NOWHERE
        """One past the last record that was sent; -1 for none."""
        self.marks: deque[tuple[int, int]] = deque(maxlen=_MOST_MARKS)
        """From which offset on records were sent, and when; the first of each second."""
        self.reads_committed = False
        """Whether it leaves out what was aborted."""
        self.closed_ms: int | None = None
        """When its connection was closed."""

    def sent_ms(self, offset: int) -> int | None:
        """Return about when the client was sent an offset that it has, ``None`` if never."""
        if not self.marks or offset >= self.sent_to:
            return None
        return next((ms for first, ms in reversed(self.marks) if first <= offset), self.marks[0][1])


Streams = dict[tuple[str, TopicPartition], FetchStream]
"""Streams of a connection, by client id and partition."""


class Beginning(NamedTuple):
    """Beginning of a stream at an offset, or its return to one that it was sent before."""

    offset: int
    at_ms: int
    """When records were sent from there on."""
    stream: FetchStream


class FetchPositions:
    """Positions of all clients that fetch, and the newest beginnings in each partition."""

    def __init__(self) -> None:
        self._by_connection: dict[int, Streams] = {}
        self._by_place: dict[TopicPartition, dict[FetchStream, None]] = {}
        self._beginnings: dict[TopicPartition, deque[Beginning]] = {}
        self._closed: dict[TopicPartition, deque[FetchStream]] = {}
        self._groups: dict[tuple[str, TopicPartition], dict[_Reader, int]] = {}
        """The offsets of groups that clients have asked for, and not fetched from there yet; -1 for
        none."""

    def clear(self) -> None:
        """Forget where clients stand, and that they began; their connections stay."""
        for streams in self._by_connection.values():
            streams.clear()
        self._by_place.clear()
        self._beginnings.clear()
        self._closed.clear()
        self._groups.clear()

    def cut_off(self, end_of: Callable[[TopicPartition], int]) -> None:
        """Forget that clients were sent what partitions do not hold any more.

        Args:
            end_of: gives a partition's log end offset by now.
        """
        for place, begun in self._beginnings.items():
            end = end_of(place)
            kept = [each for each in begun if each.offset < end]
            begun.clear()
            begun.extend(kept)
        for place, streams in self._by_place.items():
            end = end_of(place)
            for stream in streams:
                stream.sent_to = min(stream.sent_to, end)
                if stream.delivered >= end:
                    stream.delivered = _NOWHERE
                while stream.marks and stream.marks[-1][0] >= end:
                    stream.marks.pop()

    def expect(
        self,
        client_id: str,
        place: TopicPartition,
        group: str,
        offset: int,
        process: Process | None = None,
    ) -> None:
        """Take the client's next fetches from a partition for those of a group.

        Args:
            client_id: what the client calls itself; several may call themselves the same.
            place: the partition.
            group: the group whose offset it has asked for.
            offset: what it was told; -1 if there is none.
            process: its process, if that is known.
        """
        if len(self._groups) >= _MOST_PLACES:
            self._groups.clear()
        groups = self._groups.setdefault((client_id, place), {})
        if len(groups) >= _MOST_BEGINNINGS:
            del groups[next(iter(groups))]
        groups[group, process] = offset

    def _expected(
        self,
        key: tuple[str, TopicPartition],
        readers: Iterable[_Reader],
        known: str,
        offset: int,
    ) -> tuple[str, bool]:
        """Return the group for which a stream begins, and whether that has committed nothing.

        Of several it is the one that is known, the first that was told this offset, or else none.
        """
        groups = self._groups[key]
        reader = min(
            readers, key=lambda each: (each[0] != known, groups[each] != offset, groups[each] >= 0)
        )
        is_reset = groups.pop(reader) < 0
        if not groups:
            del self._groups[key]
        return reader[0], is_reset

    def streams_of(self, connection_id: int) -> Streams:
        """Return the streams of a connection."""
        return self._by_connection.setdefault(connection_id, {})

    def begin(
        self,
        connection_id: int,
        client_id: str,
        targets: Sequence[FetchTarget],
        now_ms: int,
        *,
        committed: bool = False,
        process: Process | None = None,
    ) -> list[tuple[TopicPartition, int]]:
        """Note a client's fetch; return the partitions and offsets of the streams that are new.

        Args:
            connection_id: the number of the connection.
            client_id: what the client calls itself.
            targets: what it asks for.
            now_ms: the time.
            committed: whether it leaves out what was aborted.
            process: its process, if that is known.
        """
        streams, expected = self.streams_of(connection_id), bool(self._groups)
        new = []
        for target in targets:
            if target.log is None:
                continue
            place, offset = target.log.topic_partition, target.fetch_offset
            stream = streams.get((client_id, place))
            if stream is None or expected:
                if self.fetch(connection_id, client_id, place, offset, now_ms, process):
                    new.append((place, offset))
                    streams[client_id, place].reads_committed = committed
                continue
            if stream.offset != offset:
                stream.offset, stream.since_ms = offset, now_ms
            stream.asked_ms, stream.is_waiting = now_ms, True
        return new

    def end(
        self, connection_id: int, client_id: str, targets: Sequence[FetchTarget], now_ms: int
    ) -> None:
        """Note the answer to a client's fetch."""
        streams = self._by_connection.get(connection_id, {})
        for target in targets:
            if target.log is None:
                continue
            stream = streams.get((client_id, target.log.topic_partition))
            if stream is not None:
                if target.batches:
                    self.answer(stream, target.last_offset + 1, now_ms)
                else:
                    stream.is_waiting = False

    def fetch(
        self,
        connection_id: int,
        client_id: str,
        place: TopicPartition,
        offset: int,
        now_ms: int,
        process: Process | None = None,
    ) -> bool:
        """Note that a client fetches from an offset on; return whether the stream is new."""
        streams, key = self.streams_of(connection_id), (client_id, place)
        stream = streams.get(key)
        is_new = stream is None
        if stream is None:
            if len(streams) >= _MOST_PLACES:
                self._forget(streams.pop(next(iter(streams))), now_ms)
            stream = streams[key] = FetchStream(client_id, connection_id, place)
            self._by_place.setdefault(place, {})[stream] = None
        readers = [
            each
            for each in self._groups.get(key, ())
            if process is None or each[1] is None or each[1] == process
        ]
        # Another consumer of the same name may be about to begin for another group.
        if readers and (not stream.group or stream.group in {group for group, _ in readers}):
            stream.group, stream.is_reset = self._expected(key, readers, stream.group, offset)
            stream.began = offset
        if stream.offset != offset:
            stream.offset, stream.since_ms = offset, now_ms
        stream.asked_ms, stream.is_waiting = now_ms, True
        return is_new

    def answer(self, stream: FetchStream, sent_to: int, now_ms: int) -> None:
        """Note that the newest fetch is answered.

        Args:
            stream: of the client.
            sent_to: one past the last record of the answer; -1 if it has none.
            now_ms: the time.
        """
        stream.is_waiting = False
        if sent_to < 0:
            return
        stream.sent_to = sent_to
        if not stream.marks or now_ms - stream.marks[-1][1] >= _MARK_STEP_MS:
            stream.marks.append((stream.offset, now_ms))
        if stream.offset <= stream.delivered or stream.delivered == _NOWHERE:
            begun = _newest(self._beginnings, stream.place)
            begun.append(Beginning(stream.offset, now_ms, stream))
        stream.delivered = stream.offset

    def group_of(self, connection_id: int, client_id: str, place: TopicPartition) -> str:
        """Return the group that a client fetches a partition for; empty if that is not known."""
        stream = self._by_connection.get(connection_id, {}).get((client_id, place))
        return "" if stream is None else stream.group

    def close(self, connection_id: int, now_ms: int) -> None:
        """Forget where a connection's clients stood."""
        for stream in self._by_connection.pop(connection_id, {}).values():
            self._forget(stream, now_ms)

    def _forget(self, stream: FetchStream, now_ms: int) -> None:
        stream.closed_ms = now_ms
        _newest(self._closed, stream.place).append(stream)
        others = self._by_place.get(stream.place, {})
        others.pop(stream, None)
        if not others:
            self._by_place.pop(stream.place, None)

    def at(self, place: TopicPartition) -> Sequence[FetchStream]:
        """Return the streams from a partition whose connections are open."""
        return tuple(self._by_place.get(place, ()))

    def closed(self, place: TopicPartition) -> Sequence[FetchStream]:
        """Return the newest streams from a partition whose connections are closed, oldest first."""
        return tuple(self._closed.get(place, ()))

    def beginnings(self, place: TopicPartition) -> Sequence[Beginning]:
        """Return the newest beginnings in a partition, oldest first."""
        return tuple(self._beginnings.get(place, ()))

    def position(self, client_id: str, place: TopicPartition) -> int | None:
        """Return up to where a client has fetched a partition, ``None`` if it has not.

        That is where its newest fetch begins, since it asks for more only when it has the rest.
        Of several clients of that name it is the one that is farthest behind.
        """
        found = [each.offset for each in self.at(place) if each.client_id == client_id]
        return min(found, default=None)

    def all(self) -> Iterator[tuple[str, TopicPartition, int]]:
        """Yield client, partition and offset of where clients fetch, see :meth:`position`."""
        places = {key for found in self._by_connection.values() for key in found}
        for client_id, place in sorted(places):
            offset = self.position(client_id, place)
            if offset is not None:
                yield client_id, place, offset


_Value = TypeVar("_Value")


def _newest(
    remembered: dict[TopicPartition, deque[_Value]], place: TopicPartition
) -> deque[_Value]:
    """Return what is remembered of a partition; of too many the one added first is forgotten."""
    found = remembered.get(place)
    if found is None:
        if len(remembered) >= _MOST_PLACES:
            del remembered[next(iter(remembered))]
        found = remembered[place] = deque(maxlen=_MOST_BEGINNINGS)
    return found
