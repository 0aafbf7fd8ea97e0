"""Snapshots with a name, which lie in storage and outlive the process.

What a snapshot knows is one JSON value; what would be lost is with the changes of logs that
storage keeps anyhow, see :mod:`fakebus.broker.snapshots`. Going back takes many transactions, so
its beginning is noted, and one that the process did not survive is done again at the next start.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from fakebus.broker.config_requests import ConfigResourceType
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.snapshot_reading import SnapshotReader
from fakebus.broker.snapshots import LogCopy, Snapshot, Snapshots, TopicCopy
from fakebus.broker.turns import in_turns
from fakebus.clock import Clock
from fakebus.errors import FakebusError
from fakebus.storage.interface import LogChange, OffsetRow, Storage
from fakebus.types import TopicPartition
from fakebus.wording import nearest

logger = logging.getLogger("fakebus.broker")

_NAME = re.compile(r"(?!\.\.?$)[a-zA-Z0-9._-]{1,100}")
"""Without those that browsers and HTTP clients take for another place, as Kafka's topics."""
_RESTORING = "snapshot.restoring"
_COMPRESSION = 1
"""zlib's quickest: what repeats is most of it."""
PIECE = 500
"""Logs or offsets that are written in one go."""

T = TypeVar("T")
_ROW = OffsetRow._fields
_ROW_VALUES: Callable[[OffsetRow], tuple[Any, ...]] = attrgetter(*_ROW)
_LOG_VALUES: Callable[[LogCopy], tuple[int, ...]] = attrgetter(*(f.name for f in fields(LogCopy)))

Pair = tuple[Snapshot, Snapshot]


class SnapshotNameError(FakebusError):
    """Error: a snapshot cannot have this name."""


class UnknownSnapshotError(FakebusError):
    """Error: there is no snapshot of this name."""


class TooManySnapshotsError(FakebusError):
    """Error: one more snapshot is more than the config allows."""


@dataclass(frozen=True, slots=True)
class SavedSnapshot:
    """Snapshot with a name."""

    name: str
    taken_at_ms: int
    snapshot: Snapshot
    content_bytes: int
    """What it takes in storage, without what is kept of logs."""

    @property
    def topics(self) -> int:
        """How many topics there were; not those that clients need not see."""
        return sum(not name.startswith("__") for name in self.snapshot.topics)

    @property
    def records(self) -> int:
        """How many offsets of all topics held records; not what fakebus notes itself."""
        return sum(
            copy.end - copy.start
            for name, topic in self.snapshot.topics.items()
            if not name.startswith("_")
            for copy in topic.logs
        )


class SavedSnapshots:
    """Snapshots of one bus that have names.

    Args:
        snapshots: takes them, and goes back to them.
        storage: where they are kept.
        config: says how many there may be, and how old.
        clock: gives the time of each.
    """

    def __init__(
        self, snapshots: Snapshots, storage: Storage, config: BrokerConfig, clock: Clock
    ) -> None:
        self.reader = SnapshotReader(snapshots, storage)
        """Reader of the records of snapshots."""
        self._snapshots = snapshots
        self._storage = storage
        self._config = config
        self._clock = clock
        self._saved: dict[str, SavedSnapshot] = {}
        self._changing = asyncio.Lock()

    def load(self, contents: Mapping[str, str | bytes], changes: Sequence[LogChange]) -> None:
        """Take over what storage holds."""
        self._saved = {name: _read(name, content) for name, content in contents.items()}
        self._snapshots.load((each.snapshot for each in self._saved.values()), changes)

    async def finish_restoring(self) -> None:
        """Do again what the last process has not brought to its end."""
        name = self._storage.get_meta(_RESTORING)
        if name in self._saved:
            logger.warning("going back to snapshot %s was interrupted and is done again", name)
            await self.restore(name)

    def all(self) -> list[SavedSnapshot]:
        """Return all snapshots, the newest first."""
        return sorted(self._saved.values(), key=lambda each: each.taken_at_ms, reverse=True)

    def get(self, name: str) -> SavedSnapshot:
        """Return a snapshot.

        Raises:
            UnknownSnapshotError: there is none of that name.
        """
        found = self._saved.get(name)
        if found is None:
            raise UnknownSnapshotError(
                f"there is no snapshot {name[:200]!r}; {nearest(name[:200], self._saved)}"
            )
        return found

    @asynccontextmanager
    async def pair(self, before: str, after: str | None) -> AsyncIterator[Pair]:
        """Give two snapshots to look at; no snapshot changes or is forgotten meanwhile.

        Args:
            before: the name of the one.
            after: the name of the other; this moment when left out.

        Raises:
            UnknownSnapshotError: there is none of that name.
        """
        async with self._changing:
            first = self.get(before).snapshot
            if after is not None:
                yield first, self.get(after).snapshot
                return
            now = await self._snapshots.take()
            try:
                yield first, now
            finally:
                self._snapshots.forget(now)

    async def sizes(self) -> dict[str, int]:
        """Return by name the bytes that each takes; what several need counts for each."""
        kept = await self._storage.kept_bytes()
        return {
            name: saved.content_bytes
            + sum(kept.get(each, 0) for each in self._snapshots.changes_of(saved.snapshot))
            for name, saved in self._saved.items()
        }

    async def save(self, name: str) -> SavedSnapshot:
        """Keep how everything is now; an older snapshot of that name is forgotten.

        Raises:
            SnapshotNameError: it is no name.
            TooManySnapshotsError: there are as many as there may be.
            StorageError: it could not be stored.
        """
        if not _NAME.fullmatch(name):
            raise SnapshotNameError(
                f"{name[:200]!r} is no name of a snapshot: write up to 100 of a-z, A-Z, "
                "0-9, '.', '_' and '-', but neither '.' nor '..'"
            )
        async with self._changing:
            await self._expire()
            most = self._config.get_int("fakebus.snapshot.max.count")
            if name not in self._saved and len(self._saved) >= most:
                raise TooManySnapshotsError(
                    f"there are {len(self._saved)} snapshots, and fakebus.snapshot.max.count is "
                    f"{most}; delete one, the oldest is {self.all()[-1].name}"
                )
            old, snapshot = self._saved.get(name), await self._snapshots.take()
            try:
                await self._store(name, self._clock.now_ms(), snapshot)
            except BaseException:
                self._snapshots.forget(snapshot)
                raise
            if old is not None:
                self._snapshots.forget(old.snapshot)
            return self._saved[name]

    async def _store(self, name: str, taken_at_ms: int, snapshot: Snapshot) -> None:
        marks = _json(snapshot.marks)
        content = await _written(taken_at_ms, snapshot, marks)
        await self._write(name, content)
        # It is what it will be after a restart.
        snapshot.marks = json.loads(marks)
        self._saved[name] = SavedSnapshot(name, taken_at_ms, snapshot, len(content))

    async def _write(self, name: str, content: bytes | None) -> None:
        with self._storage.atomic():
            writes = [self._storage.save_snapshot(name, content)]
            if self._storage.get_meta(_RESTORING) == name:
                writes.append(self._storage.set_meta(_RESTORING, None))
        await asyncio.gather(*writes)

    async def restore(self, name: str) -> SavedSnapshot:
        """Make everything as it was at a snapshot, which can be used again.

        Raises:
            UnknownSnapshotError: there is none of that name.
            StorageError: something could not be stored; it can be tried again.
        """
        async with self._changing:
            saved = self.get(name)
            await self._storage.set_meta(_RESTORING, name)
            try:
                await self._snapshots.roll_back(saved.snapshot)
                await self._store(name, saved.taken_at_ms, saved.snapshot)
            except Exception:
                # What clients write from now on must outlive a restart, which would go back again.
                self._storage.forget_meta_soon(_RESTORING)
                raise
            # Only now nothing needs any more what it was before.
            self._snapshots.forget()
            return self._saved[name]

    async def delete(self, name: str) -> None:
        """Forget a snapshot.

        Raises:
            UnknownSnapshotError: there is none of that name.
            StorageError: that could not be stored, and it is still there.
        """
        async with self._changing:
            await self._delete(self.get(name))

    async def _delete(self, saved: SavedSnapshot) -> None:
        await self._write(saved.name, None)
        del self._saved[saved.name]
        self._snapshots.forget(saved.snapshot)

    async def expire(self) -> None:
        """Forget what is older than a snapshot may be.

        Raises:
            StorageError: that could not be stored.
        """
        async with self._changing:
            await self._expire()

    async def _expire(self) -> None:
        retention_ms = self._config.get_int("fakebus.snapshot.retention.ms")
        if retention_ms < 0:
            return
        oldest_ms = self._clock.now_ms() - retention_ms
        for saved in self.all():
            if saved.taken_at_ms < oldest_ms:
                logger.info("snapshot %s is forgotten: it is too old", saved.name)
                await self._delete(saved)


async def _written(taken_at_ms: int, snapshot: Snapshot, marks: str) -> bytes:
    """Return a snapshot as compressed JSON; it may know a million partitions and offsets."""
    compressor = zlib.compressobj(_COMPRESSION)
    parts = [
        compressor.compress(piece.encode())
        async for piece in in_turns(_pieces(taken_at_ms, snapshot, marks))
    ]
    return b"".join([*parts, compressor.flush()])


def _pieces(taken_at_ms: int, snapshot: Snapshot, marks: str) -> Iterator[str]:
    configs = [[kind.name, name, own] for (kind, name), own in snapshot.configs.items()]
    new_ids = {str(old): str(new) for old, new in snapshot.new_ids.items()}
    yield f'{{"taken_at_ms":{taken_at_ms},"configs":{_json(configs)},"marks":{marks}'
    yield f',"new_ids":{_json(new_ids)},"topics":{{'
    for number, (name, topic) in enumerate(snapshot.topics.items()):
        head = f'"id":"{topic.topic_id}","configs":{_json(topic.configs)},"logs"'
        yield f"{',' * (number > 0)}{_json(name)}:{{{head}:"
        yield from _array(topic.logs, _LOG_VALUES)
        yield "}"
    yield '},"offsets":{'
    for number, (group, offsets) in enumerate(snapshot.offsets.items()):
        yield f"{',' * (number > 0)}{_json(group)}:"
        yield from _array(tuple(offsets.values()), _plain_row)
    yield "}}"


def _plain_row(row: OffsetRow) -> dict[str, Any]:
    return dict(zip(_ROW, _ROW_VALUES(row), strict=True))


def _array(items: Sequence[T], plain: Callable[[T], object]) -> Iterator[str]:
    """Yield the pieces of an array, each as quick to write as an answer to a small request."""
    yield "["
    for begin in range(0, len(items), PIECE):
        piece = _json([plain(each) for each in items[begin : begin + PIECE]])
        yield f"{',' * (begin > 0)}{piece[1:-1]}"
    yield "]"


def _json(value: object) -> str:
    # Whoever gives a mark that is not JSON finds everything in its topic as well.
    return json.dumps(value, separators=(",", ":"), default=lambda mark: None)


def _read(name: str, stored: str | bytes) -> SavedSnapshot:
    # What was written before it was compressed is text.
    content = json.loads(stored if isinstance(stored, str) else zlib.decompress(stored))
    snapshot = Snapshot(
        topics={name: _topic(topic) for name, topic in content["topics"].items()},
        configs={(ConfigResourceType[kind], name): own for kind, name, own in content["configs"]},
        offsets={group: _offsets(rows) for group, rows in content["offsets"].items()},
        marks=content["marks"],
        new_ids={UUID(old): UUID(new) for old, new in content["new_ids"].items()},
    )
    return SavedSnapshot(name, content["taken_at_ms"], snapshot, len(stored))


def _topic(stored: Mapping[str, Any]) -> TopicCopy:
    logs = [LogCopy(*numbers) for numbers in stored["logs"]]
    return TopicCopy(UUID(stored["id"]), logs, stored["configs"])


def _offsets(rows: Iterable[Mapping[str, Any]]) -> dict[TopicPartition, OffsetRow]:
    found = [OffsetRow(**row) for row in rows]
    return {TopicPartition(row.topic, row.partition): row for row in found}
