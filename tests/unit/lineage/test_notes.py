"""What becomes of activities: notes that are merged, and what commits say of records."""

from __future__ import annotations

import pytest

from fakebus.broker.activity import Origin
from fakebus.broker.peer import Peer
from fakebus.lineage import clients, notes
from fakebus.lineage.notes import MERGE_GAP_MS, MERGE_MS
from fakebus.processes import Process
from tests.unit.lineage.conftest import Diary, origin

SHOP = Process(7, ("python", "shop.py"), "/srv", 1)


def of_process(client_id: str, process: Process = SHOP) -> object:
    peer = Peer(host="127.0.0.1", port=1, local_port=2, process=process, looked_up=True)
    return origin(client_id, peer=peer)


def test_what_is_written_without_a_pause_is_one_note(diary: Diary) -> None:
    shop = origin()
    for offset in range(0, 30, 10):
        diary.does(shop, "produced", offset, offset + 9)
        diary.does(shop, "produced", offset, offset, partition=1)
        diary.now_ms += MERGE_GAP_MS - 1
    assert diary.notes() == [
        ("produced", 0, 29),
        ("produced", 0, 0),
        ("produced", 10, 10),
        ("produced", 20, 20),
    ]


def test_each_note_of_what_was_seeded_has_its_own_lines(diary: Diary) -> None:
    shop = origin()
    for offset in range(2):
        diary.does(shop, "seeded", offset, offset, detail="orders.ndjson:1")
    assert diary.notes() == [("seeded", 0, 0), ("seeded", 1, 1)]


def test_a_pause_a_gap_and_a_long_time_begin_another_note(diary: Diary) -> None:
    shop = origin()
    diary.does(shop, "produced", 0, 9)
    diary.now_ms += MERGE_GAP_MS
    diary.does(shop, "produced", 10, 19)
    diary.does(shop, "produced", 21, 29)
    assert diary.notes() == [("produced", 0, 9), ("produced", 10, 19), ("produced", 21, 29)]
    for offset in range(30, 30 + MERGE_MS // 50 + 2):
        diary.does(shop, "produced", offset, offset)
        diary.now_ms += 50
    assert diary.notes()[2:] == [("produced", 21, 49), ("produced", 50, 51)]


def test_a_note_ends_where_the_process_does_something_else(diary: Diary) -> None:
    producer, consumer, other = of_process("a"), of_process("b"), origin("other")
    diary.does(producer, "produced", 0, 0)
    diary.does(other, "fetched", 0, 0)
    diary.does(producer, "produced", 1, 1)
    diary.does(consumer, "fetched", 5, 5)
    diary.does(producer, "produced", 2, 2)
    diary.does(consumer, "fetched", 6, 6)
    assert diary.notes() == [
        ("produced", 0, 1),
        ("fetched", 0, 0),
        ("fetched", 5, 5),
        ("produced", 2, 2),
        ("fetched", 6, 6),
    ]


def test_what_is_sent_again_is_another_note(diary: Diary) -> None:
    shop = origin()
    for _ in range(3):
        diary.does(shop, "fetched", 4, 4)
    assert diary.notes() == [("fetched", 4, 4)] * 3


def test_two_producers_of_one_partition_are_told_apart(diary: Diary) -> None:
    for offset in range(4):
        diary.does(origin(str(offset % 2)), "produced", offset, offset)
    assert len(diary.notes()) == 4


def test_nothing_is_merged_with_what_was_before_a_snapshot(diary: Diary) -> None:
    shop = origin()
    diary.does(shop, "produced", 0, 0)
    diary.book.begin_anew()
    diary.does(shop, "produced", 1, 1)
    assert diary.notes() == [("produced", 0, 0), ("produced", 1, 1)]


def commit(diary: Diary, who: object, offset: int, before: int) -> None:
    diary.does(who, "committed", offset, offset, group="g", before=before)  # type: ignore[arg-type]


def test_a_commit_concerns_the_records_that_it_passes(diary: Diary) -> None:
    shop = origin()
    diary.does(shop, "fetched", 0, 9)
    commit(diary, shop, 4, -1)
    commit(diary, shop, 4, 4)
    commit(diary, shop, 10, 4)
    assert diary.notes() == [("fetched", 0, 9), ("committed", 0, 3), ("committed", 4, 9)]


def test_what_is_passed_without_being_sent_is_skipped(diary: Diary) -> None:
    shop = origin()
    diary.does(shop, "fetched", 2, 3)
    diary.does(shop, "fetched", 8, 9)
    commit(diary, shop, 12, 0)
    assert diary.notes()[2:] == [
        ("skipped", 0, 1),
        ("committed", 2, 3),
        ("skipped", 4, 7),
        ("committed", 8, 9),
        ("skipped", 10, 11),
    ]


def test_what_a_commit_ends_before_is_neither_passed_nor_skipped(diary: Diary) -> None:
    shop = origin()
    diary.does(shop, "fetched", 0, 3)
    diary.does(shop, "fetched", 8, 9)
    commit(diary, shop, 5, 0)
    assert diary.notes()[2:] == [("committed", 0, 3), ("skipped", 4, 4)]
    commit(diary, shop, 10, 5)
    assert diary.notes()[4:] == [("skipped", 5, 7), ("committed", 8, 9)]


def test_offsets_that_an_administrator_sets_are_skipped(diary: Diary) -> None:
    shop, admin = origin(), origin("admin")
    diary.does(shop, "fetched", 0, 4)
    commit(diary, shop, 3, -1)
    commit(diary, admin, 20, 3)
    # 3 and 4 were sent to a member, which did not say that it is done with them.
    assert diary.notes()[1:] == [("committed", 0, 2), ("skipped", 3, 19)]
    commit(diary, admin, 2, 20)
    assert diary.notes()[-1] == ("committed", 2, 1)
    assert diary.rows[diary.book.last_seq].detail == "back from 20"


def test_a_client_of_before_the_restart_is_not_said_to_have_skipped(diary: Diary) -> None:
    shop = origin()
    diary.does(shop, "joined", group="g")
    diary.clients.load([each.row() for each in diary.clients.by_number.values()])
    commit(diary, origin(), 9, 4)
    assert diary.notes()[-1] == ("committed", 4, 8)


@pytest.mark.parametrize(("which", "skipped"), [("latest", [("skipped", 0, 8)]), ("earliest", [])])
def test_a_group_without_offsets_skips_what_is_before_its_beginning(
    diary: Diary, which: str, skipped: list[object]
) -> None:
    shop, at = origin(), 9 if which == "latest" else 0
    diary.does(shop, "found", -1, -1, group="g")
    diary.does(shop, "looked up", at, at, detail=which)
    diary.does(shop, "looked up", 50, 50, detail="latest")
    assert diary.notes()[2:] == skipped
    assert {row.group for row in diary.rows.values()} == {"g"}


def test_a_client_that_was_out_of_range_skips_what_is_before_its_new_beginning(
    diary: Diary,
) -> None:
    shop = origin()
    diary.does(shop, "joined", group="g")
    diary.does(shop, "out of range", 3, 3)
    diary.does(shop, "looked up", 8, 8, detail="earliest")
    assert diary.notes()[-1] == ("skipped", 3, 7)


def test_what_is_asked_for_again_and_again_is_noted_once(diary: Diary) -> None:
    for offset in (5, 5, 5, 6):
        diary.does(origin(), "found", offset, offset, group="g")
    for _ in range(3):
        diary.does(origin(), "looked up", 9, 9, detail="latest")
    assert diary.notes() == [("found", 5, 5), ("found", 6, 6)]


def in_container(client_id: str, host: str = "10.0.0.2") -> Origin:
    peer = Peer(host=host, port=1, local_port=2, local_host="10.0.0.1", looked_up=True)
    return origin(client_id, peer=peer)


def test_what_a_container_does_is_noted_in_order_as_that_of_one_process(diary: Diary) -> None:
    producer, consumer = in_container("a"), in_container("b")
    diary.does(producer, "produced", 0, 0)
    diary.does(in_container("c", "10.0.0.3"), "fetched", 0, 0)
    diary.does(producer, "produced", 1, 1)
    diary.does(consumer, "fetched", 5, 5)
    diary.does(producer, "produced", 2, 2)
    assert diary.notes() == [
        ("produced", 0, 1),
        ("fetched", 0, 0),
        ("fetched", 5, 5),
        ("produced", 2, 2),
    ]


def test_what_says_no_name_in_a_container_belongs_to_the_only_service_there(diary: Diary) -> None:
    def services(host: str, *client_ids: str) -> list[str]:
        clients = [diary.clients.of(in_container(each, host), 1000) for each in client_ids]
        return [diary.clients.service_of(each) for each in clients]

    assert services("10.0.0.2", "billing-1", "rdkafka") == ["billing", "billing"]
    assert services("10.0.0.3", "rdkafka", "kafkajs") == ["10.0.0.3", "10.0.0.3"]
    assert services("10.0.0.4", "billing", "mail", "rdkafka") == ["billing", "mail", "10.0.0.4"]
    # Anything on the bus's own machine has this address.
    assert services("10.0.0.1", "billing", "rdkafka") == ["billing", "10.0.0.1"]
    assert services("127.0.0.1", "billing", "rdkafka") == ["billing", "127.0.0.1"]


@pytest.mark.parametrize("process", [SHOP, None])
@pytest.mark.parametrize("found_after", [0, 1, 2])
def test_connections_of_one_client_are_one_process_before_and_unless_it_is_found(
    diary: Diary, process: Process | None, found_after: int
) -> None:
    peers = [Peer(host="127.0.0.1", port=port, local_port=9) for port in (1, 2)]
    reading, committing = (origin("shop", peer=peer) for peer in peers)

    def look_up(number: int) -> None:
        if number == found_after:
            for peer in peers:
                peer.process, peer.looked_up = process, True
                diary.clients.looked_up(peer)

    look_up(0)
    diary.does(reading, "fetched", 1, 1)
    look_up(1)
    commit(diary, committing, 2, 0)
    look_up(2)
    assert diary.notes() == [("fetched", 1, 1), ("skipped", 0, 0), ("committed", 1, 1)]


def test_a_connection_that_is_not_found_any_more_commits_what_one_like_it_was_sent(
    diary: Diary,
) -> None:
    reading, committing = (Peer(host="127.0.0.1", port=port, local_port=9) for port in (1, 2))
    reader = origin("shop", peer=reading)
    diary.does(reader, "fetched", 1, 1)
    reading.process, reading.looked_up = SHOP, True
    diary.clients.looked_up(reading)
    # The process ends right behind its commit.
    commit(diary, origin("shop", peer=committing), 2, 0)
    committing.looked_up = True
    diary.clients.looked_up(committing)
    commit(diary, origin("another", peer=Peer(host="127.0.0.1", port=3, local_port=9)), 9, 0)
    assert diary.notes() == [
        *(("fetched", 1, 1), ("skipped", 0, 0), ("committed", 1, 1)),
        ("skipped", 0, 8),
    ]


def test_what_is_remembered_of_groups_and_their_readers_is_bounded(
    diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_MOST_READERS", 3)
    monkeypatch.setattr(clients.make_room, "__defaults__", (5,))
    for number in range(9):
        who = of_process(f"c{number}", SHOP._replace(pid=number + 1))
        diary.does(who, "found", -1, -1, group=f"g{number}", topic=f"t{number}")
        diary.does(who, "found", -1, -1, group="shared")
        diary.does(who, "fetched", 0, 4, group="shared")
    book = diary.book
    assert list(book._groups) == ["g5", "g6", "g7", "g8", "shared"]
    assert len(book._groups["shared"]) == 3
    assert (len(book._found), len(book._starts)) == (5, 5)


def test_a_client_of_ten_thousand_partitions_keeps_the_newest(
    diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients.make_room, "__defaults__", (5,))
    who = origin()
    for number in (*range(9), 7):
        diary.does(who, "fetched", 0, 4, partition=number)
    run = diary.clients.of(who, 0).run
    assert [place.partition for place in run.fetched] == [4, 5, 6, 7, 8]
    assert len(run.notes) == 5


@pytest.mark.parametrize("is_share", [False, True])
def test_a_client_that_again_and_again_produces_after_it_has_committed_all_commits_first(
    diary: Diary, *, is_share: bool
) -> None:
    billing = origin("billing")

    def handle(at: int, *, wait_ms: int = 0, topic: str = "invoices") -> object:
        diary.does(billing, "fetched", at, at, topic="orders", group="g")
        if is_share:
            diary.does(billing, "acknowledged", at, at, topic="orders", group="g")
        else:
            diary.does(billing, "committed", at + 1, topic="orders", group="g", before=at)
        diary.now_ms += wait_ms
        diary.does(billing, "produced", at, at, topic=topic)
        diary.does(billing, "produced", at, at, topic=topic)
        diary.now_ms += 10
        return billing.client.facts["produces_after_commit"]

    assert handle(0) == handle(1) == []
    assert handle(2, wait_ms=1000) == handle(3, topic="audits") == []
    assert handle(4) == ["invoices"]
    shop = origin("shop")
    for at in range(5):
        diary.does(shop, "produced", at, at, topic="orders")
    diary.does(billing, "fetched", 5, 9, topic="orders", group="g")
    for at in range(5, 9):
        diary.does(billing, "produced", at, at, topic="audits")
        diary.does(billing, "committed", at + 1, topic="orders", group="g", before=at)
        diary.now_ms += 10
    assert billing.client.facts["produces_after_commit"] == ["invoices"]
    assert shop.client.facts["produces_after_commit"] == []


def test_what_was_sent_of_a_topic_that_is_deleted_is_not_in_hands_any_more(diary: Diary) -> None:
    billing, other = origin("billing"), origin("other")
    for topic in ("t", "u"):
        diary.does(billing, "fetched", 0, 4, topic=topic, group="g")
    diary.does(billing, "found", 0, 0, topic="t", group="g")
    diary.does(other, "topic deleted", topic="t", partition=-1)
    diary.does(billing, "found", 0, 0, topic="t", group="g")
    before = diary.notes()
    for topic in ("t", "u"):
        diary.does(billing, "committed", 5, 5, topic=topic, group="g", member="m", before=0)
    assert before.count(("found", 0, 0)) == 2
    assert diary.notes()[len(before) :] == [("skipped", 0, 4), ("committed", 0, 4)]


def test_a_service_that_commits_first_is_known_by_what_it_owes(diary: Diary) -> None:
    first, after = of_process("first"), of_process("after", SHOP._replace(pid=8))
    for who in (first, after):
        diary.does(who, "fetched", 0, 99, group="g")
    for at in range(9):
        for who in (first, after):
            commit = {"group": "g", "member": who.client_id, "before": at}  # type: ignore[attr-defined]
            steps = [("committed", at + 1, commit), ("produced", at, {"topic": "out"})]
            for verb, offset, more in steps if who is first else reversed(steps):
                diary.does(who, verb, offset, offset, **more)  # type: ignore[arg-type]
            diary.now_ms += 10_000
    late = {
        each.facts["client_id"]: each.facts["produces_after_commit"]
        for each in diary.clients.by_number.values()
    }
    assert late == {"first": ["out"], "after": []}


def test_a_service_whose_threads_are_behind_what_it_commits_is_known(diary: Diary) -> None:
    pool, after = of_process("pool"), of_process("after", SHOP._replace(pid=8))
    for at in range(9):
        for who in (pool, after):
            diary.does(who, "fetched", at, at, group="g")
            commit = {"group": "g", "member": who.client_id, "before": at}  # type: ignore[attr-defined]
            if who is after:
                diary.does(who, "produced", at, at, topic="out")
            diary.does(who, "committed", at + 1, at + 1, **commit)  # type: ignore[arg-type]
        assert not any(each.facts.get("is_behind") for each in diary.clients.by_number.values())
    for at in range(2):
        diary.does(pool, "produced", at, at, topic="out")
    diary.does(after, "produced", 9, 9, topic="out")
    behind = [
        each.facts["client_id"]
        for each in diary.clients.by_number.values()
        if each.facts.get("is_behind")
    ]
    assert behind == ["pool"]
