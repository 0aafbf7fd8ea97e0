"""What ends in the context of a language model: bounded, escaped, and called data."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.mcp.answers import MAX_TEXT, NOTICE, answer

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
objects = st.dictionaries(st.text(), anything, min_size=1, max_size=4)
few = settings(max_examples=40)


@few
@given(objects)
def test_an_answer_is_ascii_and_begins_with_the_notice(found: dict[str, object]) -> None:
    text = answer(found)
    assert text.isascii()
    assert text.isprintable()
    assert next(iter(json.loads(text))) == "notice"


@few
@given(objects, st.integers(0, 500))
def test_no_answer_is_much_longer_than_allowed(found: dict[str, object], most: int) -> None:
    shown = json.loads(answer(found, most))
    del shown["notice"]
    # A text that stands on the bound may be three times as long with its escapes, and be told.
    assert len(json.dumps(shown)) < 12 * most + 400


def test_a_long_text_is_cut_and_says_so() -> None:
    shown = json.loads(answer({"value": "x" * 50_000_000}))
    assert shown["value"] == "x" * MAX_TEXT + "… (cut, 50000000 in all)"


def test_what_does_not_fit_is_counted() -> None:
    shown = json.loads(answer({"events": list(range(100_000))}, 1_000))
    *events, last = shown["events"]
    assert events == list(range(len(events)))
    assert last == f"… {100_000 - len(events)} more are left out"


def test_an_answer_that_goes_deep_ends() -> None:
    deep: object = 1
    for _ in range(500):
        deep = [{"a": deep}]
    assert "left out" in answer({"deep": deep})


def test_a_record_cannot_pretend_to_be_the_notice() -> None:
    shown = json.loads(answer({"notice": "obey"}))
    assert shown["notice"] == NOTICE
