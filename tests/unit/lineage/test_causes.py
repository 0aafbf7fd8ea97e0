"""Which causes of a record are told, and how they are known."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.lineage import same_keys
from fakebus.lineage.known import FORMER
from fakebus.lineage.known_notes import KnownNotes
from tests.unit.lineage.stories import Story

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_three_services_that_pass_an_order_along_are_observed() -> None:
    story = Story()
    order = story.writes("shop", "orders")
    story.sent("billing", order)
    invoice = story.writes("billing", "invoices")
    story.commits("billing", order)
    story.sent("shipping", invoice)
    story.commits("shipping", invoice)
    story.writes("shipping", "parcels")
    assert await story.edges() == [
        "invoices[0]@0 -> parcels[0]@0 observed by fetch",
        "orders[0]@0 -> invoices[0]@0 observed by fetch",
    ]


async def test_a_consumer_and_a_producer_of_one_process_are_one() -> None:
    story = Story()
    order = story.writes("shop", "orders")
    story.sent("billing consumer", order)
    story.writes("billing producer", "invoices")
    story.writes("tax producer", "taxes")
    assert await story.edges() == ["orders[0]@0 -> invoices[0]@0 observed by fetch"]


async def test_what_was_written_before_and_after_in_one_go_has_the_causes_of_both() -> None:
    story = Story()
    first, second = story.writes("shop", "orders"), story.writes("shop", "orders")
    story.sent("billing", first)
    invoice = story.writes("billing", "invoices")
    story.sent("billing", second)
    story.writes("billing", "invoices", known=False)
    # As it is noted where it is not known yet that both connections are one process's.
    story.store.notes[-2] = story.store.notes[-2]._replace(last=1, until_ms=story.now_ms)
    assert invoice == "invoices[0]@0"
    assert await story.edges() == [
        "orders[0]@0 -> invoices[0]@0 observed by fetch (1 of 2)",
        "orders[0]@0 -> invoices[0]@1 observed by fetch (2 of 2)",
        "orders[0]@1 -> invoices[0]@0 observed by fetch (2 of 2)",
        "orders[0]@1 -> invoices[0]@1 observed by fetch (1 of 2)",
    ]


async def test_a_trace_makes_the_same_steps_correlated_and_adds_none() -> None:
    story = Story()
    order = story.writes("shop", "orders", {"traceparent": TRACE})
    story.sent("billing", order)
    story.sent("shipping", order)
    invoice = story.writes("billing", "invoices", {"traceparent": TRACE})
    story.commits("billing", order)
    story.sent("mail", invoice)
    story.writes("mail", "letters", {"traceparent": TRACE})
    story.writes("shipping", "parcels", {"traceparent": TRACE})
    assert await story.edges() == [
        "invoices[0]@0 -> letters[0]@0 correlated by traceparent",
        "orders[0]@0 -> invoices[0]@0 correlated by traceparent",
        "orders[0]@0 -> parcels[0]@0 correlated by traceparent",
    ]


async def test_a_trace_of_which_nothing_else_is_known_is_a_chain_in_time() -> None:
    story = Story()
    for topic in ("a", "b", "c"):
        story.writes("test", topic, {"correlation_id": "c1"}, known=False)
        story.later(5)
    assert await story.edges() == [
        "a[0]@0 -> b[0]@0 correlated by correlation_id",
        "b[0]@0 -> c[0]@0 correlated by correlation_id",
    ]


async def test_of_what_a_process_was_sent_of_a_trace_the_nearest_is_the_cause() -> None:
    """It read the order and the invoice, and its own record follows from the invoice."""
    story = Story()
    order = story.writes("shop", "orders", {"traceparent": TRACE})
    story.sent("billing", order)
    invoice = story.writes("billing", "invoices", {"traceparent": TRACE})
    story.sent("mail", order)
    story.sent("mail", invoice)
    story.writes("mail", "letters", {"traceparent": TRACE})
    assert await story.edges() == [
        "invoices[0]@0 -> letters[0]@0 correlated by traceparent",
        "orders[0]@0 -> invoices[0]@0 correlated by traceparent",
    ]


async def test_in_a_batch_the_trace_tells_which_record_it_was() -> None:
    story = Story()
    traces = [TRACE.replace("4bf92f", f"{number:06x}") for number in range(1, 6)]
    orders = [story.writes("shop", "orders", {"traceparent": trace}) for trace in traces]
    story.sent("billing", *orders)
    story.writes("billing", "invoices", {"traceparent": traces[3]})
    assert await story.edges() == ["orders[0]@3 -> invoices[0]@0 correlated by traceparent"]


async def test_a_causation_id_states_the_cause_and_leaves_no_rivals() -> None:
    story = Story()
    orders = [story.writes("shop", "orders", {"ce_id": str(number)}) for number in range(10, 15)]
    story.sent("billing", *orders)
    story.writes("billing", "invoices", {"ce_id": "20", "ce_causationid": "12"})
    assert await story.edges() == ["orders[0]@2 -> invoices[0]@0 stated by ce_causationid"]


async def test_a_causation_id_that_nothing_has_states_nothing() -> None:
    story = Story()
    order = story.writes("shop", "orders", {"ce_id": "1"})
    story.sent("billing", order)
    story.writes("billing", "invoices", {"ce_causationid": "2"})
    assert await story.edges() == ["orders[0]@0 -> invoices[0]@0 observed by fetch"]


async def test_a_record_does_not_cause_itself_nor_what_came_before_it() -> None:
    story = Story()
    story.writes("shop", "orders", {"ce_id": "1", "ce_causationid": "1"})
    story.writes("billing", "invoices", {"ce_causationid": "2"})
    story.writes("shop", "orders", {"ce_id": "2"})
    assert await story.edges() == []


async def test_of_copies_with_the_same_id_the_one_that_the_process_was_sent_is_the_cause() -> None:
    story = Story()
    story.writes("shop", "orders", {"ce_id": "1"})
    copy = story.writes("mirror", "orders-copy", {"ce_id": "1"})
    story.sent("billing", copy)
    story.writes("billing", "invoices", {"ce_causationid": "1"})
    assert await story.edges() == ["orders-copy[0]@0 -> invoices[0]@0 stated by ce_causationid"]


async def test_copies_that_cannot_be_told_apart_are_rivals() -> None:
    story = Story()
    story.writes("shop", "orders", {"ce_id": "1"})
    story.writes("mirror", "orders-copy", {"ce_id": "1"})
    story.writes("billing", "invoices", {"ce_causationid": "1"})
    assert await story.edges() == [
        "orders-copy[0]@0 -> invoices[0]@0 stated by ce_causationid (2 of 2)",
        "orders[0]@0 -> invoices[0]@0 stated by ce_causationid (1 of 2)",
    ]


async def test_stated_causes_settle_what_a_trace_leaves_open() -> None:
    """Both invoices follow from the order, although the second came after the first."""
    story = Story()
    story.writes("shop", "orders", {"ce_id": "1", "traceparent": TRACE})
    story.writes("billing", "invoices", {"ce_causationid": "1", "traceparent": TRACE})
    story.writes("tax", "taxes", {"ce_causationid": "1", "traceparent": TRACE})
    assert await story.edges() == [
        "orders[0]@0 -> invoices[0]@0 stated by ce_causationid",
        "orders[0]@0 -> taxes[0]@0 stated by ce_causationid",
    ]


async def test_a_dead_letter_is_stated_by_its_origin() -> None:
    story = Story()
    orders = [story.writes("shop", "orders", {"ce_id": str(n)}) for n in range(1, 4)]
    story.sent("billing", *orders)
    headers = {
        "ce_id": "2",
        "kafka_dlt-original-topic": "orders",
        "kafka_dlt-original-partition": bytes(4),
        "kafka_dlt-original-offset": (1).to_bytes(8, "big"),
    }
    story.writes("billing", "orders.DLT", headers)
    edges = await story.edges()
    assert edges == ["orders[0]@1 -> orders.DLT[0]@0 stated by kafka_dlt-original-topic"]


async def test_an_origin_that_never_was_states_nothing() -> None:
    story = Story()
    headers = {
        "__connect.errors.topic": "orders",
        "__connect.errors.partition": "0",
        "__connect.errors.offset": "7",
    }
    story.writes("connect", "dlq", headers)
    assert await story.edges() == []


async def test_a_reply_states_its_request() -> None:
    story = Story()
    story.writes("shop", "prices", {"kafka_correlationId": b"\1" * 16, "kafka_replyTopic": "r"})
    story.writes("catalogue", "replies", {"kafka_correlationId": b"\1" * 16})
    edges = await story.edges()
    assert edges == ["prices[0]@0 -> replies[0]@0 stated by kafka_correlationId"]


async def test_the_effects_of_a_batch_have_all_of_it_as_possible_causes_in_order() -> None:
    story = Story()
    orders = [story.writes("shop", "orders") for _ in range(3)]
    story.sent("billing", *orders)
    for _ in orders:
        story.writes("billing", "invoices")
    edges = await story.edges()
    assert len(edges) == 9
    assert [edge for edge in edges if "(1 of 3)" in edge] == [
        f"orders[0]@{n} -> invoices[0]@{n} observed by fetch (1 of 3)" for n in range(3)
    ]


async def test_the_same_key_makes_a_possible_cause_the_likeliest() -> None:
    story = Story()
    orders = [story.writes("shop", "orders", key=b"%d" % n) for n in range(5)]
    story.sent("billing", *orders)
    story.writes("billing", "invoices", key=b"3")
    assert "orders[0]@3 -> invoices[0]@0 observed by fetch (1 of 5)" in await story.edges()


async def test_an_id_of_the_payload_makes_a_possible_cause_the_likeliest() -> None:
    story = Story()
    orders = [
        story.writes("shop", "orders", value={"id": f"order-{n}", "state": "new", "n": 77})
        for n in range(5)
    ]
    story.sent("billing", *orders)
    story.writes("billing", "invoices", value={"order": {"ref": "order-3"}, "state": "new"})
    assert "orders[0]@3 -> invoices[0]@0 observed by fetch (1 of 5)" in await story.edges()


async def test_five_hundred_records_in_flight_are_all_possible() -> None:
    story = Story()
    orders = [story.writes("shop", "orders") for _ in range(500)]
    story.sent("billing", *orders)
    invoice = story.writes("billing", "invoices", key=b"k")
    links = await story.causes.of(story.place(invoice))
    assert len(links) == 500
    assert {link.rivals for link in links} == {499}
    assert sorted(link.rank for link in links) == list(range(1, 501))


async def test_what_is_more_than_can_be_told_is_told_by_number() -> None:
    story = Story()
    orders = [story.writes("shop", "orders") for _ in range(700)]
    story.sent("billing", *orders)
    invoice = story.writes("billing", "invoices")
    causes = story.causes
    links = await causes.of(story.place(invoice))
    assert len(links) == 100
    assert {link.rivals for link in links} == {699}
    assert causes.cut == {"possible causes": 600}


async def test_an_effect_long_after_its_cause_is_found_from_the_cause_too() -> None:
    story = Story()
    order = story.writes("shop", "orders")
    story.sent("billing", order)
    for _ in range(6000):
        story.writes("clock", "ticks")
    story.writes("billing", "invoices")
    place = story.place(order)
    assert [str(link.effect) for link in await story.causes.effects(place)] == ["invoices[0]@0"]


@pytest.mark.parametrize("verb", ["seeded", "replayed"])
async def test_what_is_seeded_or_replayed_is_not_caused_by_what_the_bus_was_sent(verb: str) -> None:
    story = Story()
    order = story.writes("shop", "orders")
    story.sent("billing", order)
    story.writes("billing", "invoices", verb=verb)
    assert await story.edges() == []


async def test_clocks_that_differ_do_not_turn_cause_and_effect_around() -> None:
    """What orders records is when they came, and not the timestamps that producers give."""
    story = Story()
    order = story.writes("shop", "orders", {"ce_id": "1"})
    story.sent("billing", order)
    invoice = story.writes("billing", "invoices", {"ce_causationid": "1"})
    place = story.place(invoice)
    story.records[place] = story.records[place]._replace(timestamp=5)
    assert await story.edges() == ["orders[0]@0 -> invoices[0]@0 stated by ce_causationid"]


async def test_of_thousands_in_flight_those_are_told_that_stand_where_the_effect_does() -> None:
    story = Story()
    orders = [story.writes("shop", "orders") for _ in range(900)]
    story.sent("billing", *orders)
    for _ in range(300):
        story.writes("billing", "invoices")
    story.commits("billing", *orders[:150])
    story.later(1)
    story.commits("billing", *orders[150:250])
    story.later(2000)
    invoices = [story.writes("billing", "invoices") for _ in range(200)]
    for invoice, order in zip(invoices[100:103], orders[400:403], strict=True):
        first, *_ = await story.causes.of(story.place(invoice))
        assert (str(first.cause), first.rivals) == (order, 749)
        links = await story.causes.effects(story.place(order))
        assert [str(link.effect) for link in links if link.rank == 1] == [invoice]


async def test_the_same_key_shortly_before_hints_at_a_cause_where_nothing_else_is_known() -> None:
    story = Story()
    early = story.writes("shop", "orders", key=b"k")
    story.later(1100)
    order = story.writes("shop", "orders", key=b"k")
    story.writes("shop", "orders", key=b"other")
    story.later(900)
    story.writes("audit", "entries", key=b"k")
    story.writes("audit", "entries", key=b"k")
    for key in (None, b"", b"k2"):
        story.writes("shop", "orders", key=key)
        story.writes("audit", "others", key=key if key != b"k2" else None)
    story.writes("seeds", "seeded", key=b"k", verb="seeded")
    assert early == "orders[0]@0"
    assert await story.edges() == [
        f"{order} -> entries[0]@0 hinted by key",
        f"{order} -> entries[0]@1 hinted by key",
    ]


async def test_of_several_hints_what_had_been_sent_comes_first_then_what_is_nearest() -> None:
    story = Story()
    orders = [story.writes("shop", "orders", key=b"k") for _ in range(3)]
    story.sent("caller", orders[1])
    story.writes("called", "answers", key=b"k")
    story.sent("caller", orders[0])
    assert await story.edges() == [
        f"{orders[0]} -> answers[0]@0 hinted by key (3 of 3)",
        f"{orders[1]} -> answers[0]@0 hinted by key (1 of 3)",
        f"{orders[2]} -> answers[0]@0 hinted by key (2 of 3)",
    ]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (({}, {}), "observed by fetch"),
        (({"traceparent": TRACE}, {"traceparent": TRACE}), "correlated by traceparent"),
        (({"ce_id": "1"}, {"ce_causationid": "1"}), "stated by ce_causationid"),
    ],
)
async def test_a_hint_stands_beside_no_cause_that_is_known(
    headers: tuple[dict[str, str], dict[str, str]], told: str
) -> None:
    story = Story()
    order = story.writes("shop", "orders", headers[0], key=b"k")
    story.writes("audit", "entries", key=b"k")
    story.sent("billing", order)
    story.writes("billing", "invoices", headers[1], key=b"k")
    edges = await story.edges()
    assert edges == [
        "orders[0]@0 -> entries[0]@0 hinted by key",
        f"orders[0]@0 -> invoices[0]@0 {told}",
    ]


async def test_what_is_written_in_bulk_is_not_looked_through_for_keys() -> None:
    story = Story()
    story.writes("shop", "orders", key=b"k")
    for _ in range(same_keys.MOST_AT_ONCE):
        story.writes("shop", "orders", key=b"k", known=False)
    story.writes("audit", "entries", key=b"k")
    assert await story.edges() == ["orders[0]@0 -> entries[0]@0 hinted by key"]
    story.store.notes[0] = story.store.notes[0]._replace(last=same_keys.MOST_AT_ONCE)
    assert await story.edges() == []


async def test_of_many_records_with_one_key_the_nearest_are_told() -> None:
    story = Story()
    for _ in range(same_keys.MOST_SAME + 5):
        story.writes("shop", "orders", key=b"k")
    effect = story.writes("audit", "entries", key=b"k")
    links = await story.causes.of(story.place(effect))
    assert [link.cause.offset for link in links] == [*range(104, 4, -1)]
    found = await story.causes.effects(story.place("orders[0]@0"))
    assert found == []


async def test_what_a_process_that_commits_first_has_committed_stays_possible() -> None:
    story = Story()
    orders = [story.writes("shop", "orders") for _ in range(3)]
    for order in orders[:2]:
        story.sent("billing", order)
        story.commits("billing", order)
    story.later(900)
    story.sent("billing", orders[2])
    story.writes("billing", "invoices")
    story.later(300)
    story.writes("billing", "invoices")
    only = ["orders[0]@2 -> invoices[0]@0 observed by fetch"]
    only += ["orders[0]@2 -> invoices[0]@1 observed by fetch"]
    assert await story.edges() == only
    story.late.add(("billing", "letters"))
    assert await story.edges() == only
    story.late.add(("billing", "invoices"))
    assert await story.edges() == [
        "orders[0]@0 -> invoices[0]@0 observed by fetch (1 of 3)",
        "orders[0]@1 -> invoices[0]@0 observed by fetch (2 of 3)",
        "orders[0]@1 -> invoices[0]@1 observed by fetch (2 of 2)",
        "orders[0]@2 -> invoices[0]@0 observed by fetch (3 of 3)",
        "orders[0]@2 -> invoices[0]@1 observed by fetch (1 of 2)",
    ]


async def test_what_a_process_has_done_is_worked_out_once_for_records_sent_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story()
    orders = [story.writes("shop", "orders") for _ in range(30)]
    for order in orders:
        story.sent("billing", order)
        story.writes("billing", "invoices")
        story.commits("billing", order)
    asked = []
    notes_of_clients = story.store.notes_of_clients

    async def counted(clients: Any, *rest: Any) -> Any:
        asked.extend([clients] if clients is not None else [])
        return await notes_of_clients(clients, *rest)

    monkeypatch.setattr(story.store, "notes_of_clients", counted)
    causes = story.causes
    for order in orders:
        (link,) = await causes.effects(story.place(order))
        assert (link.cause, link.rivals) == (story.place(order), 0)
    assert len(asked) < 10


async def test_what_goes_on_while_a_record_is_sent_is_its_effect_however_much_came_in_between() -> (
    None
):
    """The note of several records has a lower number, of another block, than what was sent."""
    story = Story()
    order, other = story.writes("shop", "orders"), story.writes("shop", "others")
    invoice = story.writes("billing", "invoices")
    [note] = [each for each in story.store.notes if each.topic == "invoices"]
    for _ in range(2500):
        story.sent("others", other)
        story.later(-1)
    story.sent("billing", order)
    at = story.store.notes.index(note)
    story.store.notes[at] = note._replace(until_ms=story.now_ms + 10)
    (link,) = await story.causes.effects(story.place(order))
    assert (link.cause, link.effect) == (story.place(order), story.place(invoice))
    assert [link] == await story.causes.of(story.place(invoice))


async def test_a_record_that_is_sent_again_has_effects_after_each_time() -> None:
    story = Story()
    order, other = story.writes("shop", "orders"), story.writes("shop", "others")
    effects = []
    for _ in range(3):
        story.sent("billing", order)
        effects.append(story.writes("billing", "invoices"))
        story.commits("billing", order)
        story.later(10_000)
        story.writes("billing", "invoices")
        for _ in range(2500):
            story.sent("others", other)
    links = await story.causes.effects(story.place(order))
    assert [str(link.effect) for link in links] == effects


# -- topics that are made anew under their name --


async def test_records_of_a_topic_of_the_same_name_are_not_taken_for_those_before_them() -> None:
    story = Story()
    old = story.writes("shop", "orders")
    story.sent("billing", old)
    invoice = story.writes("billing", "invoices")
    assert await story.edges() == ["orders[0]@0 -> invoices[0]@0 observed by fetch"]
    story.makes_anew("orders")
    new = story.writes("shop", "orders")
    assert new == old
    assert await story.edges() == []
    assert await story.causes.effects(story.place(new)) == []
    story.later(5000)
    story.sent("billing", new)
    story.writes("billing", "invoices")
    found = await story.causes.effects(story.place(new))
    assert [str(link.effect) for link in found] == ["invoices[0]@1"]
    assert await story.causes.of(story.place(invoice)) == []


async def test_notes_of_a_name_are_those_of_the_topic_that_has_it_now() -> None:
    story = Story()
    old = story.writes("shop", "orders")
    story.sent("billing", old)
    story.makes_anew("orders")
    new = story.writes("till", "orders")
    story.sent("shipping", new)
    notes, verbs = KnownNotes(story.store), ["produced", "fetched"]

    async def told(topic: str) -> list[list[int]]:
        at = await notes.notes_at(topic, 0, 0, verbs, 9)
        rows = await notes.notes_in(topic, 0, 0, 9, 9)
        assert {row.topic for row in (*at, *rows)} == {topic}
        return [[row.client for row in found] for found in (at, rows)]

    assert await told("orders") == [[story.number(each) for each in ("till", "shipping")]] * 2
    former = [[story.number(each) for each in ("shop", "billing")]] * 2
    assert await told("orders" + FORMER) == former


async def test_a_possible_cause_that_has_no_name_any_more_is_a_rival_still() -> None:
    story = Story()
    payment, order = story.writes("shop", "payments"), story.writes("shop", "orders")
    story.sent("billing", payment)
    story.sent("billing", order)
    invoice = story.writes("billing", "invoices")
    story.makes_anew("orders")
    causes = story.causes
    (link,) = await causes.of(story.place(invoice))
    assert (str(link.cause), link.evidence, link.rivals) == (payment, "observed", 1)
    assert causes.cut["possible causes"] == 1
    (link,) = await story.causes.effects(story.place(payment))
    assert (str(link.effect), link.rivals) == (invoice, 1)


async def test_the_rank_of_a_cause_counts_none_that_has_no_name_any_more() -> None:
    story = Story()
    order, payment = story.writes("shop", "orders"), story.writes("shop", "payments")
    story.sent("billing", order)
    story.sent("billing", payment)
    invoice = story.writes("billing", "invoices")
    story.makes_anew("orders")
    (link,) = await story.causes.of(story.place(invoice))
    assert (str(link.cause), link.rank, link.rivals) == (payment, 1, 1)
    (link,) = await story.causes.effects(story.place(payment))
    assert (str(link.effect), link.rank, link.rivals) == (invoice, 1, 1)


async def test_a_cause_that_is_stated_and_was_never_seen_is_known_to_lack() -> None:
    story = Story()
    order = story.writes("shop", "orders", {"ce_id": "1", "ce_causationid": "1"})
    story.sent("billing", order)
    invoice = story.writes("billing", "invoices", {"ce_causationid": "web-7"})
    parcel = story.writes("billing", "parcels", {"ce_causationid": "1"})
    causes = story.causes
    links = [
        link for name in (order, invoice, parcel) for link in await causes.of(story.place(name))
    ]
    assert [(str(link.effect), link.evidence) for link in links] == [
        (invoice, "observed"),
        (parcel, "stated"),
    ]
    assert {str(place): told for place, told in causes.not_found.items() if told} == {
        invoice: {"ce_causationid": "web-7"}
    }


async def test_a_record_of_a_topic_that_is_gone_is_named_until_there_is_another_one() -> None:
    story = Story()
    order = story.writes("shop", "orders")
    story.makes_anew("orders")
    again = story.writes("shop", "orders")
    story.sent("billing", again)
    story.writes("billing", "invoices")
    story.store.notes.append(story.store.notes[-1]._replace(seq=100, verb="topic deleted"))
    story.store.notes[-1] = story.store.notes[-1]._replace(topic="orders", first=-1, last=-1)
    (link,) = await story.causes.of(story.place("invoices[0]@0"))
    assert str(link.cause) == order


async def test_a_dead_letter_names_no_record_that_came_under_the_same_name() -> None:
    story = Story()
    order = story.writes("shop", "orders")
    headers = {
        "__connect.errors.topic": "orders",
        "__connect.errors.partition": "0",
        "__connect.errors.offset": "0",
    }
    letter = story.writes("connect", "dlq", headers)
    assert await story.edges() == [f"{order} -> {letter} stated by __connect.errors.topic"]
    story.makes_anew("orders")
    story.writes("shop", "orders")
    assert await story.edges() == []
