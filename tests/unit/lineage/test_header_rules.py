"""What records say of themselves, in the headers of everybody's libraries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakebus.lineage.header_rules import (
    MAX_IDENTITIES,
    MAX_VALUE_BYTES,
    FieldRule,
    HeaderRule,
    IdentityReader,
    bounded,
)
from fakebus.records.record import NewRecord

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
UUID = "0b7f1c9e-53a1-4f0e-a0fb-9a6f6b3ad6d0"


def read(*headers: tuple[str, bytes | None], value: bytes | None = None) -> list[tuple[str, bytes]]:
    return [one[:2] for one in IdentityReader().read("orders", NewRecord(None, value, headers))]


@pytest.mark.parametrize(
    ("name", "value", "kind", "told"),
    [
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode(), "trace", TRACE.encode()),
        ("ce_traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode(), "trace", TRACE.encode()),
        ("b3", f"{TRACE}-00f067aa0ba902b7-1-05e3ac9a4f6e3b90".encode(), "trace", TRACE.encode()),
        ("X-B3-TraceId", b"00000000000000000f067aa0ba902b7", "trace", b"f067aa0ba902b7"),
        ("x-b3-traceid", b"A3CE929D0E0E4736", "trace", b"a3ce929d0e0e4736"),
        ("uber-trace-id", b"a3ce929d0e0e4736:1:0:1", "trace", b"a3ce929d0e0e4736"),
        ("uber-trace-id", b"a3ce929d0e0e4736%3A1%3A0%3A1", "trace", b"a3ce929d0e0e4736"),
        ("x-datadog-trace-id", b"11803532876627986230", "trace", b"a3ce929d0e0e4736"),
        ("sentry-trace", f"{TRACE}-00f067aa0ba902b7-1".encode(), "trace", TRACE.encode()),
        (
            "elasticapmtraceparent",
            b"\0\0" + bytes.fromhex(TRACE) + b"\1" + b"12345678" + b"\2\1",
            "trace",
            TRACE.encode(),
        ),
        ("ce_id", b"42", "identity", b"42"),
        ("CE-ID", b"42", "identity", b"42"),
        ("ce_correlationid", b"c1", "correlation", b"c1"),
        ("ce_causationid", b"42", "cause", b"42"),
        ("correlation_id", b"c1", "correlation", b"c1"),
        ("X-Correlation-ID", b"c1", "correlation", b"c1"),
        ("x_request_id", b"c1", "correlation", b"c1"),
        ("correlationId", b"c1", "correlation", b"c1"),
        ("causationId", b"42", "cause", b"42"),
        ("parent_id", b"42", "cause", b"42"),
        ("kafka_correlationId", b"\0" * 15 + b"\1", "reply", b"\0" * 15 + b"\1"),
        ("_watermill_message_uuid", UUID.encode(), "identity", UUID.encode()),
        ("id", b"42", "identity", b"42"),
        ("NServiceBus.MessageId", b"42", "identity", b"42"),
        ("NServiceBus.ConversationId", b"c1", "correlation", b"c1"),
        ("NServiceBus.RelatedTo", b"42", "cause", b"42"),
        ("MessageId", b"42", "identity", b"42"),
        ("InitiatorId", b"42", "cause", b"42"),
    ],
)
def test_a_header_tells_what_its_library_means_by_it(
    name: str, value: bytes, kind: str, told: bytes
) -> None:
    assert read((name, value)) == [(kind, told)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traceparent", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01"),
        ("traceparent", b"00-short-00f067aa0ba902b7-01"),
        ("traceparent", b"\xff\xfe"),
        ("x-datadog-trace-id", b"-5"),
        ("x-datadog-trace-id", b"9" * 5000),
        ("elasticapmtraceparent", b"\0\0short"),
        ("correlation_id", b""),
        ("correlation_id", None),
        ("correlation_id", b"null"),
        ("correlation_id", b"00000000-0000-0000-0000-000000000000"),
        ("tracestate", b"a=b"),
        ("x" * 100_000, b"42"),
    ],
)
def test_what_is_no_id_tells_nothing(name: str, value: bytes | None) -> None:
    assert read((name, value)) == []


def test_a_dead_letter_of_spring_names_its_origin() -> None:
    headers = (
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", (2).to_bytes(4, "big")),
        ("kafka_dlt-original-offset", (2**33).to_bytes(8, "big")),
    )
    assert read(*headers) == [("origin", b"orders[2]@8589934592")]


def test_a_dead_letter_of_connect_names_its_origin() -> None:
    headers = (
        ("__connect.errors.topic", b"orders"),
        ("__connect.errors.partition", b"2"),
        ("__connect.errors.offset", b"7"),
    )
    assert read(*headers) == [("origin", b"orders[2]@7")]


def test_of_a_record_that_was_put_aside_twice_the_last_place_counts() -> None:
    def place(topic: bytes, offset: int) -> tuple[tuple[str, bytes], ...]:
        return (
            ("kafka_original-topic", topic),
            ("kafka_original-partition", bytes(4)),
            ("kafka_original-offset", offset.to_bytes(8, "big")),
        )

    found = read(*place(b"orders", 1), *place(b"orders-retry", 5))
    assert found == [("origin", b"orders-retry[0]@5")]


@pytest.mark.parametrize("offset", [b"short", (-1).to_bytes(8, "big", signed=True)])
def test_an_origin_that_lacks_a_part_is_none(offset: bytes) -> None:
    headers = (
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", bytes(4)),
        ("kafka_dlt-original-offset", offset),
    )
    assert read(*headers) == []


def test_a_request_says_where_its_reply_is_to_go() -> None:
    request = (("kafka_correlationId", b"\1\2"), ("kafka_replyTopic", b"replies"))
    assert read(*request) == [("request", b"\1\2")]
    assert read(("kafka_correlationId", b"\1\2")) == [("reply", b"\1\2")]


def test_a_structured_cloud_event_has_its_attributes_in_the_value() -> None:
    value = json.dumps({"specversion": "1.0", "id": "42", "causationid": "41", "data": {"id": 7}})
    content_type = ("content-type", b"application/cloudevents+json; charset=utf-8")
    assert read(content_type, value=value.encode()) == [("identity", b"42"), ("cause", b"41")]
    assert read(value=value.encode()) == []


def test_the_envelope_of_a_celery_task_has_its_tree() -> None:
    headers = {"task": "billing.charge", "id": "b", "root_id": "a", "parent_id": "a"}
    value = json.dumps({"body": "…", "headers": headers, "properties": {}}).encode()
    assert read(value=value) == [("identity", b"b"), ("correlation", b"a"), ("cause", b"a")]


def test_a_header_that_comes_twice_tells_both() -> None:
    found = read(("correlation_id", b"a"), ("correlation_id", b"b"), ("correlation-id", b"a"))
    assert found == [("correlation", b"a"), ("correlation", b"b")]


def test_long_ids_are_bounded_and_not_mixed_up() -> None:
    one, other = b"x" * 1000 + b"1", b"x" * 1000 + b"2"
    assert len(bounded(one)) == MAX_VALUE_BYTES
    assert bounded(one) != bounded(other)
    assert read(("ce_id", one)) == [("identity", bounded(one))]


def test_ten_thousand_headers_leave_few_ids() -> None:
    found = read(*((f"correlation{'_' * (n % 2)}id", b"%d" % (n + 1)) for n in range(10_000)))
    assert len(found) == MAX_IDENTITIES


def test_json_that_is_none_or_too_deep_tells_nothing() -> None:
    for value in (b'{"root_id"', b'{"root_id":' + b"[" * 100_000, b'{"root_id": 1}'):
        assert read(value=value) == []


def reader(*lines: dict[str, str]) -> IdentityReader:
    return IdentityReader([(HeaderRule if "name" in one else FieldRule)(**one) for one in lines])


def told(found: IdentityReader, record: NewRecord, topic: str = "orders") -> list[tuple[Any, ...]]:
    return [tuple(one) for one in found.read(topic, record)]


def test_a_rule_of_a_user_comes_before_those_of_fakebus() -> None:
    found = reader({"name": "x-*-order", "kind": "correlation"}, {"name": "id", "kind": "cause"})
    record = NewRecord(None, None, [("X-Shop-Order", b"7x"), ("id", b"42")])
    assert told(found, record) == [("correlation", b"7x", "X-Shop-Order"), ("cause", b"42", "id")]


def test_a_rule_finds_ids_in_values() -> None:
    found = reader({"path": "order.id", "kind": "identity", "topic": "orders*"})
    record = NewRecord(None, b'{"order": {"id": 4711}}')
    assert told(found, record) == [("identity", b"4711", "order.id")]
    assert told(found, record, "invoices") == []
    assert told(found, NewRecord(None, b"no JSON")) == []
    assert told(found, NewRecord(None, b'{"order": {"id": ["a", "list"]}}')) == []


def test_a_rule_finds_ids_behind_the_id_of_a_schema_and_in_their_coding() -> None:
    found = reader({"path": "meta.trace", "kind": "trace", "coding": "traceparent"})
    value = b'{"meta": {"trace": "00-%s-00f067aa0ba902b7-01"}}' % TRACE.encode()
    for framed in (value, b"\0\0\0\0\7" + value):
        assert told(found, NewRecord(None, framed)) == [("trace", TRACE.encode(), "meta.trace")]


def test_a_function_that_does_not_take_what_a_value_holds_finds_nothing() -> None:
    found = reader({"path": "length(id)", "kind": "identity"})
    assert told(found, NewRecord(None, b'{"id": 7}')) == []
