"""Patterns of JSON schemas: right answers, and bounded time for hostile ones."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.json_schema.patterns import Unmatchable, check_pattern, matches
from fakebus.schemas.languages import language

JSON = language("JSON")

HOSTILE = [
    (r"^(a+)+$", "a" * 40 + "!"),
    (r"^(a|a)*$", "a" * 40 + "!"),
    (r"^(a|aa)+$", "a" * 60 + "!"),
    (r"^([a-zA-Z]+)*$", "a" * 40 + "!"),
    (r"(.*a){20}$", "a" * 60 + "!"),
    (r"^(\w+\s?)*$", "word " * 20 + "!"),
    (r"a*a*a*a*a*a*a*a*b", "a" * 3000),
    (r"^(a?){40}a{40}$", "a" * 39),
    (r"^((a*)*)*$", "a" * 40 + "!"),
    (r"x+x+y", "x" * 20_000),
]


@pytest.mark.parametrize(("pattern", "text"), HOSTILE)
def test_a_pattern_made_to_hang_is_answered_with_no(pattern: str, text: str) -> None:
    started = time.process_time()
    assert not matches(pattern, text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^(?=(a+)+$)a", "a" * 40 + "!"),
        (r"(?=.*(?=.*(?=.*(?=.*b))))", "a" * 5000),
        (r"^.*(?=.*b).*$", "a" * 5000),
        (r"^(?:(?=a*b)a)*$", "a" * 5000),
        (r"(a{1,1000}){1,1000}b", "aaa"),
        (r"(((){1000}){1000}){1000}(a|b)*", "aaa"),
        (r"^(a+)+\1$", "aaa"),
        (r"^((?>a+))+$", "aaa"),
        (r"^(?!x)\p{L}+$", "a"),
        (r"^\p{Nothing}+$", "a"),
    ],
)
def test_a_pattern_without_a_bound_is_refused_for_data_and_not_run(pattern: str, text: str) -> None:
    started = time.process_time()
    schema = JSON.parse(json.dumps({"pattern": pattern}))
    with pytest.raises(SchemaDataError, match="cannot be matched"):
        schema.encode(text)
    assert time.process_time() - started < 5


def test_a_text_of_megabytes_is_matched_at_once() -> None:
    started = time.process_time()
    assert not matches(r"(a*)*b", "a" * 2_000_000)
    assert time.process_time() - started < 2


def test_a_pattern_that_looks_around_is_matched_in_texts_of_usual_length() -> None:
    password = r"^(?=.*[A-Z])(?=.*[a-z])(?=.*\d)(?!.*(--|__)).{8,}$"
    assert matches(password, "a" * 200 + "A1")
    assert not matches(password, "a" * 200)
    assert not matches(password, "A1" + "a" * 200 + "__")
    with pytest.raises(Unmatchable, match="100000 characters"):
        matches(password, "a" * 100_000)


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in HOSTILE])
@pytest.mark.parametrize("place", ["plain", "named", "unevaluated", "redeclared"])
def test_no_way_into_the_schema_lets_a_hostile_pattern_hang(pattern: str, place: str) -> None:
    draft = "https://json-schema.org/draft/2020-12/schema"
    schemas: dict[str, dict[str, object]] = {
        "plain": {"properties": {"a": {"pattern": pattern}}},
        "named": {"patternProperties": {pattern: {}}, "additionalProperties": False},
        "unevaluated": {"patternProperties": {pattern: {}}, "unevaluatedProperties": False},
        "redeclared": {"properties": {"a": {"$schema": draft, "pattern": pattern}}},
    }
    text = next(text for known, text in HOSTILE if known == pattern)
    data = {"a": text} if place in {"plain", "redeclared"} else {text: 1}
    started = time.process_time()
    with pytest.raises(SchemaDataError):
        JSON.parse(json.dumps({"$schema": draft, **schemas[place]})).encode(data)
    assert time.process_time() - started < 2


def test_a_hostile_pattern_of_names_does_not_hang_a_comparison() -> None:
    names = "a" * 50 + "!"
    old = {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}
    started = time.process_time()
    new = JSON.parse(json.dumps({**old, "properties": {names: {"type": "string"}}}))
    new.incompatibilities(JSON.parse(json.dumps(old)))
    assert time.process_time() - started < 2


TABLE = [
    (r"^[a-z]+(\.[a-z]+)*$", ["org", "org.open.edx"], ["", "Org", "org.", "org..edx"]),
    (r"^\d{4}-\d{2}$", ["2024-05"], ["2024-5", "x2024-05", "2024-055"]),
    (r"b", ["abc"], ["ac"]),
    (r"^(?<year>\d+)$", ["2024"], ["x"]),
    (r"^\p{Lu}\p{L}*$", ["Zoë", "Ωmega"], ["zoë", "Z1"]),
    (r"^[\p{L}\p{Nd}_-]+$", ["größe_1", "٣"], ["a b", ""]),
    (r"^\P{L}+$", ["12 3"], ["a1"]),
    (r"^\p{^L}+$", ["123"], ["a"]),
    (r"^(\w+\s?)+$", ["two words"], ["two  words", "zoë"]),
    (r"^\p{Script=Greek}+$", ["Ωμέγα"], ["omega"]),
    (r"^[^\P{L}a]+$", ["bé"], ["a", "1"]),
    (r"^\uD83D\ude8c\u{1F68c}$", ["🚌🚌"], ["🚌"]),
    (r"^a{1,1500}$", ["a" * 1000], ["b"]),
    (r"^(?i:größe)$", ["GRößE"], ["groesse"]),
    (r"^a$", ["a"], ["a\n"]),
    (r"^\/a\-b$", ["/a-b"], ["a-b"]),
    (r"^\u0041\u{42}$", ["AB"], ["ab"]),
    (r"^(?!.*(--|__)).+$", ["a-b"], ["a--b", "a__b"]),
    (r"^(a|b)*(?<=ab)$", ["ab", "bab"], ["ba", ""]),
    (r"^(\bfoo\b\W?)+$", ["foo foo"], ["foofoo"]),
    (r"^(x|[^\d\s])+$", ["xyz"], ["x1"]),
    (r"^(|a)+\z", ["", "aa"], ["b"]),
    (r"^(ab?){2,3}$", ["aab", "ababab"], ["a", "aaaa"]),
    (r"^(.+)*$", ["any"], ["a\nb"]),
    (r"", ["", "x"], []),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), TABLE)
def test_a_pattern_finds_what_it_says(pattern: str, good: list[str], bad: list[str]) -> None:
    check_pattern(pattern)
    assert [text for text in good if not matches(pattern, text)] == []
    assert [text for text in bad if matches(pattern, text)] == []


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\W", "^", r"\b", r"\Z", ""])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda parts: f"(?:{parts[0]}|{parts[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])).map(
            lambda parts: f"(?:{parts[0]}){parts[1]}"
        ),
    ),
    max_leaves=6,
)


@given(pattern=PATTERNS, text=st.text(st.sampled_from("ab1\n "), max_size=6))
@settings(max_examples=150)
def test_what_is_found_is_what_pythons_matcher_finds(pattern: str, text: str) -> None:
    found = re.compile(pattern, re.ASCII).search(text) is not None
    assert matches(pattern, text) == found
