"""Random operations on the storage and on a model of plain lists must agree."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fakebus.errors import StorageError
from fakebus.storage.interface import BatchPosition, StoredBatch, TopicRow
from fakebus.storage.sqlite import SqliteStorage

from .batches import END, append, batch, topic_id

TIMES = st.integers(-1, 30)
LOGS = st.integers(0, 2)


@dataclass
class ModelLog:
    log_id: int
    start: int = 0
    end: int = 0
    first_dirty_offset: int = 0
    batches: list[StoredBatch] = field(default_factory=list)

    def inside(self, start: int, upto: int) -> list[StoredBatch]:
        start = max(start, self.start)
        return [b for b in self.batches if b.last_offset >= start and b.base_offset < upto]

    @property
    def visible(self) -> list[StoredBatch]:
        return self.inside(0, END)

    def truncate(self, end: int) -> None:
        if end < self.start:
            self.start, self.batches = end, []
        self.batches = [b for b in self.batches if b.base_offset < end]
        self.first_dirty_offset = min(self.first_dirty_offset, end)
        self.end = max([self.start, *(b.last_offset + 1 for b in self.visible)])


class StorageMachine(RuleBasedStateMachine):
    """Three logs of one topic, and some values."""

    in_memory = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = Path(tempfile.mkdtemp(prefix="fakebus-test-"))
        self.logs: list[ModelLog] = []
        self.meta: dict[str, str] = {}
        self.generation = 0

    @property
    def path(self) -> Path | None:
        return None if self.in_memory else self.directory / f"{self.generation}.db"

    @initialize()
    def start(self) -> None:
        self.storage = self.runner.run(SqliteStorage.open(self.path, durable=False))
        log_ids = tuple(self.storage.next_log_id() for _ in range(3))
        self.logs = [ModelLog(log_id) for log_id in log_ids]
        self.run(self.save_topic(log_ids))

    async def save_topic(self, log_ids: tuple[int, ...]) -> None:
        await self.storage.save_topic(TopicRow(name="t", topic_id=topic_id(1), log_ids=log_ids))

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def new_batches(self, log: ModelLog, times: list[int], records: int) -> list[StoredBatch]:
        """Batches for the end of the log, some of them with a gap before."""
        batches, offset = [], log.end
        for time in times:
            offset += 3 if time % 7 == 0 else 0
            producer_id = time % 3 if time % 2 else -1
            batches.append(
                batch(offset, records, timestamp=time, size=time + 5, producer_id=producer_id)
            )
            offset += records
        return batches

    def accept(self, log: ModelLog, batches: list[StoredBatch]) -> None:
        log.batches += batches
        log.end = batches[-1].last_offset + 1

    @rule(index=LOGS, times=st.lists(TIMES, min_size=1, max_size=5), records=st.integers(1, 4))
    def append_batches(self, index: int, times: list[int], records: int) -> None:
        log = self.logs[index]
        batches = self.new_batches(log, times, records)

        async def write() -> None:
            await append(self.storage, log.log_id, *batches)

        self.run(write())
        self.accept(log, batches)

    @rule(
        writes=st.lists(st.tuples(LOGS, TIMES), min_size=1, max_size=5),
        poisoned=st.booleans(),
        position=st.integers(0, 5),
    )
    def write_at_once(self, writes: list[tuple[int, int]], poisoned: bool, position: int) -> None:
        """Several logs and a value in one transaction, which may fail."""
        ends = [(log.end, len(log.batches)) for log in self.logs]

        async def write() -> list[BaseException | None]:
            futures = []
            with self.storage.atomic():
                for number, (index, time) in enumerate(writes):
                    log = self.logs[index]
                    if poisoned and number == min(position, len(writes) - 1):
                        bad = batch(log.end)._replace(max_timestamp=1 << 70)
                        futures.append(append(self.storage, log.log_id, bad))
                    batches = self.new_batches(log, [time], 1)
                    futures.append(append(self.storage, log.log_id, *batches))
                    self.accept(log, batches)
                futures.append(self.storage.set_meta("last", str(writes)))
            return await asyncio.gather(*futures, return_exceptions=True)

        outcomes = self.run(write())
        if poisoned:
            assert all(isinstance(outcome, StorageError) for outcome in outcomes)
            for log, (end, count) in zip(self.logs, ends, strict=True):
                log.end = end
                del log.batches[count:]
        else:
            assert set(outcomes) == {None}
            self.meta["last"] = str(writes)

    @rule(index=LOGS, back=st.integers(0, 12))
    def truncate(self, index: int, back: int) -> None:
        log = self.logs[index]
        end = max(0, log.end - back)

        async def write() -> None:
            left = [end]
            while left:
                left.clear()
                await self.storage.truncate(log.log_id, end, left)

        self.run(write())
        log.truncate(end)

    @rule(index=LOGS, forward=st.integers(0, 12))
    def delete_before(self, index: int, forward: int) -> None:
        log = self.logs[index]
        start = min(log.end, log.start + forward)

        async def write() -> None:
            await self.storage.delete_before(log.log_id, start)

        self.run(write())
        log.start = max(log.start, start)

    @rule(
        index=LOGS,
        start=st.integers(0, 40),
        length=st.integers(0, 30),
        fates=st.lists(st.sampled_from(["drop", "keep", "shrink", "grow"]), min_size=1),
    )
    def compact(self, index: int, start: int, length: int, fates: list[str]) -> None:
        log = self.logs[index]
        if not log.visible:
            return
        # As the cleaner does, the last batch stays, and nothing below the start is touched.
        start = max(start, log.visible[0].base_offset)
        upto = min(start + length, log.visible[-1].base_offset)
        if start > upto:
            return
        replaced: list[StoredBatch] = []
        for number, old in enumerate(b for b in log.batches if start <= b.base_offset < upto):
            fate = fates[number % len(fates)]
            if fate == "shrink":
                replaced.append(
                    old._replace(max_timestamp=max(-1, old.max_timestamp - 5), data=old.data[:3])
                )
            elif fate != "drop":
                replaced.append(old._replace(data=bytes(old.data) + b"+" * 9 * (fate == "grow")))
        log.batches = sorted(
            [b for b in log.batches if not start <= b.base_offset < upto] + replaced
        )
        log.first_dirty_offset = upto

        async def write() -> None:
            with self.storage.atomic():
                stored = self.storage.replace_batches(log.log_id, start, upto, replaced)
                noted = self.storage.set_first_dirty_offset(log.log_id, upto)
            await asyncio.gather(stored, noted)

        self.run(write())

    @rule(index=LOGS, start=st.integers(0, 60), upto=st.integers(0, 60), limit=st.integers(1, 5))
    def summarize(self, index: int, start: int, upto: int, limit: int) -> None:
        log = self.logs[index]
        expected = [
            (
                *(b.base_offset, b.last_offset, b.max_timestamp, len(b.data)),
                *(b.producer_id, b.attributes),
            )
            for b in log.inside(start, upto)
        ]
        found = self.run(self.storage.summaries(log.log_id, start, upto, limit))
        assert found == expected[:limit]

    @rule(index=LOGS, upto=st.integers(0, 60))
    def measure_a_part(self, index: int, upto: int) -> None:
        log = self.logs[index]
        size = self.run(self.storage.size_bytes(log.log_id, upto))
        assert size == sum(len(b.data) for b in log.inside(0, upto))

    @rule()
    @precondition(lambda self: not self.in_memory)
    def restart(self) -> None:
        self.run(self.storage.close())
        self.storage = self.run(SqliteStorage.open(self.path, durable=False))

    @rule()
    @precondition(lambda self: not self.in_memory)
    def crash(self) -> None:
        """Go on with a copy of what is on disk, as a killed process leaves it."""
        before = self.path
        self.generation += 1
        assert before is not None
        assert self.path is not None
        for suffix in ("", "-wal"):
            source = before.with_name(before.name + suffix)
            if source.exists():
                shutil.copy(source, self.path.with_name(self.path.name + suffix))
        crashed = self.storage
        self.storage = self.run(SqliteStorage.open(self.path, durable=False))
        self.run(crashed.close())

    @rule(index=LOGS, start=st.integers(0, 60), upto=st.integers(0, 60), time=TIMES)
    def look_up_times(self, index: int, start: int, upto: int, time: int) -> None:
        log = self.logs[index]
        inside = log.inside(start, upto)
        first = next((b for b in inside if b.max_timestamp >= time), None)
        newest = max(inside, key=lambda b: (b.max_timestamp, -b.base_offset), default=None)
        storage = self.storage
        found = self.run(storage.first_batch_at_or_after(log.log_id, time, start, upto))
        assert found == (None if first is None else position(first))
        found = self.run(storage.batch_with_max_timestamp(log.log_id, start, upto))
        assert found == (None if newest is None else position(newest))

    @rule(index=LOGS, start=st.integers(0, 60), upto=st.integers(0, 60), size=st.integers(0, 99))
    def read(self, index: int, start: int, upto: int, size: int) -> None:
        log = self.logs[index]
        expected: list[StoredBatch] = []
        for found in log.inside(start, upto):
            if expected and sum(len(b.data) for b in [*expected, found]) > size:
                break
            expected.append(found)
        assert self.run(self.storage.read_batches(log.log_id, start, upto, size)) == expected

    @rule(index=LOGS, time=st.none() | TIMES, size=st.none() | st.integers(0, 200))
    def retention(self, index: int, time: int | None, size: int | None) -> None:
        log = self.logs[index]
        cut, left = log.start, sum(len(b.data) for b in log.visible)
        for b in log.visible:
            left -= len(b.data)
            old = time is not None and all(
                a.max_timestamp < time for a in log.inside(0, b.base_offset + 1)
            )
            if old or (size is not None and left >= size):
                cut = b.last_offset + 1
            else:
                break
        expected = None if cut == log.start else self.next_offset(log, cut)
        found = self.run(
            self.storage.retention_cut(log.log_id, oldest_timestamp=time, max_size_bytes=size)
        )
        assert found == expected

    def next_offset(self, log: ModelLog, cut: int) -> int:
        """Gaps are skipped: the log starts at a batch, or at its end."""
        following = log.inside(cut, END)
        return max(cut, following[0].base_offset) if following else cut

    @invariant()
    def states_agree(self) -> None:
        if not self.logs:
            return
        states = self.run(self.storage.load_logs())
        for log, state in zip(self.logs, states, strict=True):
            visible = log.visible
            assert (state.log_id, state.log_start_offset) == (log.log_id, log.start)
            assert state.log_end_offset == log.end
            assert state.first_dirty_offset == log.first_dirty_offset
            assert state.size_bytes == sum(len(b.data) for b in visible)
            assert state.max_timestamp == max((b.max_timestamp for b in visible), default=-1)
            assert self.run(self.storage.size_bytes(log.log_id)) == state.size_bytes
            everything = self.run(self.storage.read_batches(log.log_id, 0, END, 1 << 30))
            assert everything == visible
            self.producers_agree(log)
        assert {key: self.storage.get_meta(key) for key in self.storage.meta_keys("")} == self.meta

    def producers_agree(self, log: ModelLog) -> None:
        expected = []
        for producer_id in range(3):
            own = [b.base_offset for b in log.visible if b.producer_id == producer_id]
            expected += own[-2:]
        found = self.run(self.storage.producer_batches(log.log_id, 2))
        assert [b.base_offset for b in found] == sorted(expected)

    def teardown(self) -> None:
        if self.logs:
            self.run(self.storage.close())
        self.runner.close()
        shutil.rmtree(self.directory)


class MemoryStorageMachine(StorageMachine):
    in_memory = True


def position(found: StoredBatch) -> BatchPosition:
    return BatchPosition(found.base_offset, found.last_offset, found.max_timestamp)


LIMITS = settings(
    max_examples=20,
    stateful_step_count=30,
)


@pytest.mark.parametrize("machine", [StorageMachine, MemoryStorageMachine])
def test_the_storage_agrees_with_a_model_of_lists(machine: type[StorageMachine]) -> None:
    case = machine.TestCase
    case.settings = LIMITS
    case().runTest()
