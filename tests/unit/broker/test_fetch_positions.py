import pytest

from fakebus.broker import fetch_positions
from fakebus.broker.fetch_positions import FetchPositions, FetchStream
from fakebus.processes import Process
from fakebus.types import TopicPartition

PLACE = TopicPartition("orders", 0)


def _fetch(
    positions: FetchPositions, connection_id: int, offset: int, sent_to: int, now_ms: int = 1000
) -> FetchStream:
    positions.fetch(connection_id, "shop", PLACE, offset, now_ms)
    stream = positions.streams_of(connection_id)["shop", PLACE]
    positions.answer(stream, sent_to, now_ms + 1)
    return stream


def test_a_client_that_reads_on_begins_once() -> None:
    positions = FetchPositions()
    for offset in (0, 5, 10):
        _fetch(positions, 1, offset, offset + 5)
    _fetch(positions, 1, 15, -1)
    _fetch(positions, 1, 15, 20)
    assert [each.offset for each in positions.beginnings(PLACE)] == [0]


def test_a_client_that_returns_to_an_offset_or_connects_anew_begins_again() -> None:
    positions = FetchPositions()
    for connection_id in (1, 1, 2):
        _fetch(positions, connection_id, 3, 9)
        _fetch(positions, connection_id, 9, 12)
        positions.close(2, 5000)
    begun = positions.beginnings(PLACE)
    assert [each.offset for each in begun] == [3, 3, 3]
    assert [each.stream.closed_ms for each in begun] == [None, None, 5000]


def test_nothing_begins_before_records_are_sent() -> None:
    positions = FetchPositions()
    _fetch(positions, 1, 7, -1)
    assert positions.beginnings(PLACE) == ()


def test_the_time_at_an_offset_counts_from_the_first_fetch_there() -> None:
    positions = FetchPositions()
    _fetch(positions, 1, 7, -1, now_ms=100)
    stream = _fetch(positions, 1, 7, -1, now_ms=600)
    assert (stream.since_ms, stream.asked_ms, stream.is_waiting) == (100, 600, False)


def test_a_stream_is_for_the_group_whose_offset_its_client_asked_for_last() -> None:
    positions = FetchPositions()
    positions.expect("shop", PLACE, "billing", 5)
    positions.expect("other", PLACE, "audit", 5)
    assert _fetch(positions, 1, 0, -1).group == "billing"
    assert _fetch(positions, 2, 0, -1).group == ""
    assert {each.group for each in positions.at(PLACE)} == {"billing", ""}


def test_of_clients_with_one_name_each_is_told_by_where_it_begins() -> None:
    positions = FetchPositions()
    for group, offset in (("fresh", -1), ("billing", 5), ("audit", 7), ("newer", -1)):
        positions.expect("shop", PLACE, group, offset)
    assert _fetch(positions, 1, 7, -1).group == "audit"
    assert _fetch(positions, 2, 0, -1).group == "fresh"
    assert _fetch(positions, 2, 5, -1).group == "fresh"
    assert _fetch(positions, 3, 5, -1).group == "billing"
    assert _fetch(positions, 1, 9, -1).group == "audit"
    stream = _fetch(positions, 4, 2, -1)
    assert (stream.group, stream.is_reset) == ("newer", True)
    assert not positions._groups


def test_what_is_remembered_of_partitions_and_groups_is_bounded() -> None:
    positions = FetchPositions()
    streams = positions.streams_of(1)
    for number in range(10_001):
        place = TopicPartition("orders", number)
        positions.expect("other", place, "billing", 5)
        positions.fetch(1, "shop", place, 0, 0)
        positions.answer(streams["shop", place], 1, 0)
    for _ in range(100):
        positions.answer(streams["shop", place], 1, 0)
    assert not positions.beginnings(TopicPartition("orders", 0))
    assert len(positions.beginnings(place)) == 32
    assert len(positions._groups) == 1
    for number in range(100):
        positions.expect("others", PLACE, f"billing-{number}", 5)
    assert len(positions._groups["others", PLACE]) == 32


def test_one_connection_has_no_more_streams_than_can_be_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch_positions, "_MOST_PLACES", 5)
    positions = FetchPositions()
    for number in range(9):
        positions.fetch(1, f"c{number}", PLACE, 0, 1000)
    assert [each.client_id for each in positions.at(PLACE)] == ["c4", "c5", "c6", "c7", "c8"]
    assert [each.closed_ms for each in positions.closed(PLACE)] == [1000] * 4


def test_after_a_rollback_nothing_is_known_of_what_was_sent_behind_it() -> None:
    positions = FetchPositions()
    _fetch(positions, 1, 0, 5, now_ms=1000)
    _fetch(positions, 1, 5, 9, now_ms=5000)
    positions.cut_off(lambda place: 5)
    stream = _fetch(positions, 1, 7, 9, now_ms=5500)
    assert stream.sent_ms(8) == 5501
    assert [each.offset for each in positions.beginnings(PLACE)] == [0, 7]


def test_processes_that_call_themselves_the_same_read_each_for_its_group() -> None:
    positions, (one, other) = FetchPositions(), (Process(pid, (), "", 1) for pid in (1, 2))
    positions.expect("rdkafka", PLACE, "billing", 5, one)
    positions.expect("rdkafka", PLACE, "audit", 5, other)
    positions.fetch(1, "rdkafka", PLACE, 5, 0, other)
    positions.fetch(2, "rdkafka", PLACE, 5, 0, Process(3, (), "", 1))
    positions.fetch(3, "rdkafka", PLACE, 5, 0)
    groups = [stream.group for stream in positions.at(PLACE)]
    assert groups == ["audit", "", "billing"]
