"""Expressions that choose records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebus.cluster.events import Event
from fakebus.cluster.filters import event_filter, parse_filter
from fakebus.errors import ConfigError

FIELDS = {
    "topic": "orders",
    "partition": 2,
    "offset": 17,
    "at": "2024-05-01T09:00:00.000Z",
    "key": "customer-7",
    "value": {
        "total": 12.5,
        "paid": False,
        "note": None,
        "n": 1,
        "a-b": {"$c": "x"},
        "items": [{"price": 3}, {"price": 4}],
        "tags": ["new", "eu"],
        "empty": [],
    },
    "headers": {"ce_type": "order.created", "content-type": "application/json"},
}


@pytest.mark.parametrize(
    "expression",
    [
        "value.total = 12.5",
        "value.total == 12.5 and partition = 2",
        "value.total > 12 and value.total >= 12.5 and value.total < 13 and value.total <= 12.5",
        "value.total != 12",
        "value.total > -1e3",
        "value.paid = false",
        "not value.paid",
        "value.note = null",
        "value.missing = null",
        "null = value.items[7].price",
        "value.items[1].price = 4",
        'value["a-b"].$c = "x"',
        "value.a-b.$c = 'x'",
        'value.tags contains "eu"',
        'key contains "customer"',
        'headers.ce_type contains "created" and headers.content-type = "application/json"',
        'headers["ce_type"] = "order.created"',
        'at >= "2024-05-01" and at < "2024-05-02"',
        'topic = "orders" and offset > 16',
        "(value.n = 2 or value.n = 1) and not (value.n = 3)",
        "value.n = 2 and value.n = 3 or value.n = 1",
        "value.items",
        r'key != "\u00e9"',
        "where 'length(value.items) == `2`' and partition = 2",
        "where 'value.items[?price > `3`]'",
        """not where "contains(keys(value), 'gone')\"""",
    ],
)
def test_an_expression_that_holds(expression: str) -> None:
    assert parse_filter(expression)(FIELDS) is True


@pytest.mark.parametrize(
    "expression",
    [
        "value.total = 12",
        "value.total = '12.5'",
        "value.n = true",
        "value.paid = 0",
        "value.total < 'a'",
        "value.paid < 1",
        "value.missing != null",
        "value.missing > 0",
        "value.missing",
        "value.note",
        "value.empty",
        "value.n.inner.more",
        "key contains 7",
        "value.n contains 1",
        "value.tags contains 'e'",
        "key.inner = 'x'",
        "where 'value.missing'",
        "where 'value.empty'",
        "where 'abs(key)'",
        "where 'timestamp'",
    ],
)
def test_an_expression_that_does_not_hold(expression: str) -> None:
    assert parse_filter(expression)(FIELDS) is False


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "column 1: a field or a value is missing"),
        ("value.n =", "column 10: a field or a value is missing"),
        ("value.n = = 1", "column 11: a field or a value is missing before '='"),
        ("value.n = 1 value.n", "column 13: and or or is missing here"),
        ("(value.n = 1", "column 13: a closing bracket is missing"),
        ("total > 1", "column 1: there is no field 'total'; did you mean value.total?"),
        ("key = 'a' and valu.n = 1", "column 15: there is no field 'valu'; did you mean value.n?"),
        ("value.n =  ; 1", "column 12: ';' cannot stand here"),
        ("key = 'a", 'column 7: "\'" cannot stand here'),
        ('key = "\\x"', "column 7: this is no text"),
        ("value.n = 1abc", "cannot stand here"),
        ("and", "column 1: a field or a value is missing before 'and'"),
        ("not " * 60 + "key", "nested too deeply"),
        ("(" * 5000, "nested too deeply"),
        ("where key", "column 7: JMESPath in quotes is missing"),
        ("where 'a ='", "column 7: no JMESPath: "),
        ("where 'explode(@)'", "column 7: no JMESPath: Unknown function: explode"),
        (f"where '{'(' * 900}'", "column 7: no JMESPath: "),
        (f"where '{'a.' * 900}a'", "column 7: JMESPath has at most 1000 characters"),
        ("__import__('os')", "column 1: there is no field '__import__'"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_column(expression: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_filter(expression)
    assert message in str(refusal.value)


def test_an_item_beyond_all_reason_is_not_there() -> None:
    assert not parse_filter(f"value[9{'0' * 5000}]")({"value": [1]})


@given(st.text(alphabet="value.n()=<>!andor not'\"[]0123456789-e$ ", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        holds = parse_filter(text)
    except ConfigError:
        return
    assert holds(FIELDS) in (True, False)


def test_jmespath_that_grows_without_end_holds_for_no_record() -> None:
    for bomb in ("|".join(["[@,@][]"] * 60), "key|" + "|".join(["join('',[@,@])"] * 50)):
        assert parse_filter(f'where "{bomb}"')(FIELDS) is False


EVENT = Event(
    topic="orders",
    partition=2,
    offset=17,
    timestamp_ms=1_700_000_000_000,
    key=b"\xff7",
    value=b'{"total": 12.5}',
    headers=(("ce_type", b"order.created"), ("note", None)),
)


@pytest.mark.parametrize(
    "expression",
    [
        "value.total > 12 and topic = 'orders' and partition = 2 and offset = 17",
        r"key = '\xff7'",
        "at >= '2023-11-14T22:13:20.000Z' and at < '2023-11-15'",
        "headers.ce_type contains 'created' and headers.note = null and headers.gone = null",
        "where 'value.total == `12.5` && headers.ce_type'",
    ],
)
def test_an_event_has_fields(expression: str) -> None:
    assert event_filter(expression)(EVENT)
    assert not event_filter(f"not ({expression})")(EVENT)
