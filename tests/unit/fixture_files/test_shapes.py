from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.fixture_files.shapes import (
    from_text,
    merged,
    misfits,
    shape_of,
    to_text,
    unknown_fields,
)


def test_a_shape_says_types_and_what_is_always_there() -> None:
    events = [
        {"value": {"total": 1, "lines": [{"sku": "a"}, {"sku": "b", "note": None}]}},
        {"value": {"total": 1.5, "lines": [], "paid": True}},
    ]
    assert to_text(shape_of(events)) == {
        "value": "object",
        "value.lines": "array",
        "value.lines[]": "object",
        "value.lines[].note": "null?",
        "value.lines[].sku": "string",
        "value.paid": "boolean?",
        "value.total": "integer|number",
    }


def test_names_that_would_read_as_a_path_are_quoted() -> None:
    text = to_text(shape_of([{"a.b": {"c d": 1, 'q"': 2, "e?": 3}}]))
    assert text == {
        '"a.b"': "object",
        '"a.b"."c d"': "integer",
        '"a.b"."q\\""': "integer",
        '"a.b".e?': "integer",
    }
    assert to_text(from_text(text)) == text


def test_an_object_with_countless_names_is_a_map() -> None:
    events = [{"counts": {f"key-{n}-{event}": {"n": n} for n in range(150)}} for event in (1, 2)]
    assert to_text(shape_of(events)) == {
        "counts": "object",
        "counts.*": "object?",
        "counts.*.n": "integer",
    }


@pytest.mark.parametrize(
    ("expected", "given_events", "found"),
    [
        ([{"a": 1}], [{"a": 2, "b": 3}], []),
        ([{"a": 1}], [{}], []),
        ([{"a": 1, "b": 1}], [{"b": 1}], ["a is missing"]),
        ([{"a": 1, "b": 1}], [{"a": 1, "b": 1}, {"b": 1}], ["a is not always there"]),
        ([{"a": 1.5}], [{"a": 1}], []),
        ([{"a": 1}], [{"a": 1.5}], ["a is number, not integer"]),
        ([{"a": 1}], [{"a": "x"}, {"a": None}], ["a is null or string, not integer"]),
        ([{"a": 1}], [{"a": True}], ["a is boolean, not integer"]),
        ([{"a": {"b": 1}}], [{"a": {}}], ["a.b is missing"]),
        ([{"a": {"b": 1}}, {"a": None}], [{"a": None}], []),
        ([{"a": [{"b": 1}]}], [{"a": []}], []),
        ([{"a": [{"b": 1}]}], [{"a": [{"c": 1}]}], ["a[].b is missing"]),
        ([{"a": 1}, {"a": 1, "b": 2}], [{"a": 1}], []),
    ],
)
def test_misfits_are_what_is_always_expected_or_of_another_type(
    expected: list[dict[str, Any]], given_events: list[dict[str, Any]], found: list[str]
) -> None:
    assert list(map(str, misfits(shape_of(given_events), shape_of(expected)))) == found


def test_unknown_fields_are_told_without_what_is_in_them() -> None:
    expected, events = [{"a": {"b": 1}}], [{"a": {"b": 1, "c": {"d": 1}}, "e": 1}]
    assert unknown_fields(shape_of(events), shape_of(expected)) == ["a.c", "e"]


def test_a_type_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'text'; types are null"):
        from_text({"a": "text"})


_DATA: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
_EVENTS = st.lists(st.dictionaries(st.sampled_from("abc"), _DATA, min_size=1), min_size=1)


@settings(max_examples=40)
@given(_EVENTS, _EVENTS)
def test_merged_shapes_are_the_shape_of_all_events(
    one: list[dict[str, Any]], other: list[dict[str, Any]]
) -> None:
    assert merged(shape_of(one), shape_of(other)) == shape_of([*one, *other])
    assert from_text(to_text(shape_of(one))) == shape_of(one)


@settings(max_examples=40)
@given(_EVENTS)
def test_events_fit_their_own_shape_and_each_fits_the_shape_of_all(
    events: list[dict[str, Any]],
) -> None:
    shape = shape_of(events)
    for event in events:
        assert list(misfits(shape_of([event]), shape)) == []
        assert unknown_fields(shape_of([event]), shape) == []
