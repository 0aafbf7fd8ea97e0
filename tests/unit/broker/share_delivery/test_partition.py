"""Records in flight to a share group, held against one entry for each record."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.broker.share_delivery.partition import (
    AcknowledgedRange,
    Acknowledgement,
    Lock,
    SharePartition,
)
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import OffsetRow

ACCEPT, RELEASE, REJECT = Acknowledgement.ACCEPT, Acknowledgement.RELEASE, Acknowledgement.REJECT
LIMIT = 4


def lock(member_id: str = "a", due_s: float = 30.0) -> Lock:
    return Lock(member_id, due_s, LIMIT)


def acquire(partition: SharePartition, last: int, member_id: str = "a", most: int = 100) -> list:
    return partition.acquire(partition.next_offset, last, lock(member_id), most, 100, ())


def test_each_record_is_given_to_one_member() -> None:
    partition = SharePartition(10)

    first = acquire(partition, 19, "a", most=4)
    second = acquire(partition, 19, "b")

    assert first == [(10, 13, 1)]
    assert second == [(14, 19, 1)]
    assert acquire(partition, 19, "c") == []


def test_the_start_moves_behind_what_is_done_without_gaps() -> None:
    partition = SharePartition(0)
    acquire(partition, 9)

    partition.acknowledge([AcknowledgedRange(3, 5, [ACCEPT])], lock())
    between = partition.start_offset
    partition.acknowledge([AcknowledgedRange(0, 2, [ACCEPT, REJECT, RELEASE])], lock())

    assert (between, partition.start_offset) == (0, 2)
    assert partition.next_offset == 2
    assert partition.unfinished == 5


def test_of_acknowledgements_with_one_that_is_wrong_none_is_taken_in() -> None:
    partition = SharePartition(0)
    acquire(partition, 9, "a", most=5)
    acquire(partition, 9, "b")

    for ranges, error in (
        ([(0, 4, [ACCEPT]), (5, 5, [ACCEPT])], ErrorCode.INVALID_RECORD_STATE),
        ([(0, 4, [ACCEPT]), (10, 12, [ACCEPT])], ErrorCode.INVALID_REQUEST),
    ):
        with pytest.raises(BrokerError) as refused:
            partition.acknowledge([AcknowledgedRange(*each) for each in ranges], lock("a"))
        assert refused.value.error_code is error
        assert partition.start_offset == 0


@pytest.mark.parametrize(
    ("offset", "error"), [(2, ErrorCode.INVALID_RECORD_STATE), (4, ErrorCode.INVALID_REQUEST)]
)
def test_a_batch_of_which_some_records_are_acquired_is_in_flight_and_the_next_is_not(
    offset: int, error: ErrorCode
) -> None:
    partition = SharePartition(0)
    partition.acquire(0, 9, lock(), 2, 100, (), (3, 9))

    with pytest.raises(BrokerError) as refused:
        partition.acknowledge([AcknowledgedRange(offset, offset, [ACCEPT])], lock())

    assert refused.value.error_code is error
    assert (partition.end_offset, partition.unfinished) == (4, 4)


def test_a_range_that_ends_behind_all_that_was_delivered_is_an_invalid_request() -> None:
    partition = SharePartition(0)
    partition.acquire(0, 3, lock(), 2, 100, (), (3,))

    with pytest.raises(BrokerError) as refused:
        partition.acknowledge([AcknowledgedRange(3, 4, [REJECT, ACCEPT])], lock())

    assert refused.value.error_code is ErrorCode.INVALID_REQUEST


def test_a_record_that_was_given_back_as_often_as_the_limit_is_given_to_nobody() -> None:
    partition = SharePartition(0)

    counts = []
    while acquired := acquire(partition, 0):
        counts += [count for _, _, count in acquired]
        partition.release(lambda _: True, LIMIT)

    assert counts == [1, 2, 3, 4]
    assert partition.start_offset == 1


def test_deliveries_that_were_given_back_count_over_kills_and_locks_that_were_held_do_not() -> None:
    partition = SharePartition(0)

    counts = []
    while acquired := acquire(partition, 0):
        counts += [count for _, _, count in acquired]
        partition = SharePartition(partition.start_offset, partition.encode())
        assert acquire(partition, 0, "b") == acquired
        partition.release(lambda _: True, LIMIT)
        partition = SharePartition(partition.start_offset, partition.encode())

    assert counts == [1, 2, 3, 4]
    assert partition.start_offset == 1


def delivered(partition: SharePartition, times: int) -> list:
    """Let a member get what it can and give it back, so often; return what it has got."""
    told = []
    for _ in range(times):
        told.append(partition.acquire(partition.next_offset, 7, lock(), 100, 100, ()))
        partition.release(lambda _: True, LIMIT)
    return told


def test_a_batch_that_comes_back_is_halved_and_the_last_delivery_of_a_record_is_its_own() -> None:
    partition = SharePartition(0)

    assert delivered(partition, 6) == [
        [(0, 7, 1)],
        [(0, 7, 2)],
        [(0, 3, 3)],
        [(0, 0, 4)],
        [(1, 1, 4)],
        [(2, 2, 4)],
    ]
    assert partition.start_offset == 3


def test_a_limit_that_was_lowered_lets_records_come_once_more() -> None:
    partition = SharePartition(0)
    delivered(partition, 2)

    lower = Lock("a", 30.0, 2)
    acquired = partition.acquire(0, 7, lower, 100, 100, ())
    partition.release(lambda _: True, lower.max_deliveries)

    assert acquired == [(0, 3, 3)]
    assert partition.start_offset == 4


def test_what_no_batch_holds_any_more_is_passed() -> None:
    partition = SharePartition(0)
    acquire(partition, 3)
    partition.acknowledge([AcknowledgedRange(0, 3, [ACCEPT])], lock())

    acquired = partition.acquire(7, 8, lock(), 100, 100, ())
    partition.acknowledge([AcknowledgedRange(7, 8, [ACCEPT])], lock())

    assert acquired == [(7, 8, 1)]
    assert partition.start_offset == 9


def test_what_was_given_back_is_dropped_when_the_log_begins_behind_it() -> None:
    partition = SharePartition(0)
    acquire(partition, 9)

    partition.move_start(4)

    assert (partition.start_offset, partition.unfinished) == (4, 6)


@pytest.mark.parametrize("text", ["share:5-4a1", "share:3-4a1", "share:0-1l1", "share:x", "0"])
def test_what_cannot_be_read_is_forgotten_with_a_warning(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = OffsetRow(topic="t", partition=0, offset=0, metadata=text)

    partition = SharePartition.stored(row)

    assert (partition.start_offset, partition.end_offset) == (0, 0)
    assert "is forgotten" in caplog.text


MEMBERS = st.sampled_from("ab")
STEPS = st.one_of(
    st.tuples(st.just("acquire"), MEMBERS, st.integers(0, 12), st.integers(1, 6)),
    st.tuples(
        st.just("acknowledge"),
        MEMBERS,
        st.integers(0, 12),
        st.sampled_from([ACCEPT, RELEASE, REJECT]),
    ),
    st.tuples(st.just("release"), MEMBERS, st.just(0), st.just(0)),
    st.tuples(st.just("restart"), MEMBERS, st.just(0), st.just(0)),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=30))
def test_runs_of_records_do_what_single_records_would(steps: list[tuple]) -> None:
    partition, model = SharePartition(0), Model()
    for verb, member, offset, argument in steps:
        if verb == "acquire":
            got = partition.acquire(partition.next_offset, offset, lock(member), argument, 100, ())
            offsets = [(at, count) for first, last, count in got for at in range(first, last + 1)]
            assert offsets == model.acquire(member, offset, argument)
        elif verb == "acknowledge":
            try:
                partition.acknowledge([AcknowledgedRange(offset, offset, [argument])], lock(member))
                taken = True
            except BrokerError:
                taken = False
            assert taken == model.acknowledge(member, offset, argument)
        elif verb == "release":
            partition.release(lambda run, member=member: run.member_id == member, LIMIT)
            model.release(member)
        else:
            row = OffsetRow(
                topic="t",
                partition=0,
                offset=partition.start_offset,
                metadata=partition.encode(),
            )
            partition = SharePartition.stored(row)
            model.restart()
        assert partition.start_offset == model.start
        assert partition.unfinished == model.unfinished


class Model:
    """Records in flight, one by one: state, member, deliveries; with Kafka's rules for batches."""

    def __init__(self) -> None:
        self.start = 0
        self.records: list[list] = []
        self.batches: list[range] = []
        """Of each record, what was first delivered with it."""

    @property
    def unfinished(self) -> int:
        return sum(state != "done" for state, _, _ in self.records[self.start :])

    def acquire(self, member: str, last: int, most: int) -> list[tuple[int, int]]:
        new = range(len(self.records), last + 1)
        self.records += [["free", "", 0] for _ in new]
        self.batches += [new] * len(new)
        got: list[int] = []
        for batch in dict.fromkeys(self.batches[self.start : last + 1]):
            free = [
                at
                for at in range(self.start, last + 1)
                if self.batches[at] is batch and self.records[at][0] == "free"
            ]
            is_divided = max((self.records[at][2] for at in free), default=0) >= LIMIT // 2
            if is_divided and got:
                break
            got += self._portion(len(batch), free) if is_divided else free
            if is_divided and got:
                break
        for at in got[:most]:
            self.records[at] = ["taken", member, self.records[at][2] + 1]
        return [(at, self.records[at][2]) for at in got[:most]]

    def _portion(self, size: int, free: list[int]) -> list[int]:
        portion: list[int] = []
        most = None
        for at in free:
            count = self.records[at][2]
            if count == LIMIT - 1:
                return portion or [at]
            if most is None and count >= LIMIT // 2:
                most = max(1, size >> (count - LIMIT // 2 + 1))
            portion.append(at)
            if len(portion) == most:
                break
        return portion

    def acknowledge(self, member: str, at: int, kind: Acknowledgement) -> bool:
        if at < self.start:
            return True
        if at >= len(self.records) or self.records[at][:2] != ["taken", member]:
            return False
        if kind is RELEASE:
            self._free(at)
        else:
            self.records[at] = ["done", "", 0]
        self._move()
        return True

    def _free(self, at: int) -> None:
        count = self.records[at][2]
        self.records[at] = ["done", "", 0] if count >= LIMIT else ["free", "", count]

    def _move(self) -> None:
        while self.start < len(self.records) and self.records[self.start][0] == "done":
            self.start += 1

    def release(self, member: str) -> None:
        for at, (state, owner, _) in enumerate(self.records):
            if (state, owner) == ("taken", member):
                self._free(at)
        self._move()

    def restart(self) -> None:
        for record in self.records:
            if record[0] == "taken":
                record[:] = ["free", "", record[2] - 1]
        while self.records[self.start :] and self.records[-1] == ["free", "", 0]:
            self.records.pop()
        self.batches = []
        for _, alike in groupby(self.records):
            first, count = len(self.batches), len(list(alike))
            self.batches += [range(first, first + count)] * count
