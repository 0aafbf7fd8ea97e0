"""Patterns of JSON schemas: right answers, and bounded time for hostile ones."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.json_schema.automaton import Automaton
from fakebus.schemas.json_schema.pattern_syntax import Unmatchable, parse_pattern
from fakebus.schemas.json_schema.patterns import check_pattern, matches
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
    (r"^(?=(a+)+$)a", "a" * 40 + "!"),
]


@pytest.mark.parametrize(("pattern", "text"), HOSTILE)
def test_a_pattern_made_to_hang_is_answered_with_no(pattern: str, text: str) -> None:
    started = time.process_time()
    assert not matches(pattern, text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?=.*(?=.*(?=.*(?=.*b))))", "a" * 5000),
        (r"(a*)*b", "a" * 2_000_000),
        (r"(a{1,1000}){1,1000}b", "aaa"),
        (r"(((){1000}){1000}){1000}(a|b)*", "aaa"),
        (r"^(a+)+\1$", "aaa"),
        (r"^((?>a+))+$", "aaa"),
        (r"(?i)^(a+)+$", "A" * 200 + "!"),
        (r"^\p{Script=Greek}+$", "a"),
    ],
)
def test_a_pattern_without_a_bound_is_refused_for_data_and_not_run(pattern: str, text: str) -> None:
    started = time.process_time()
    if pattern.startswith("(?i)"):
        with pytest.raises(Unmatchable):
            Automaton(parse_pattern(f"(?i:{pattern[4:]})")[1])
        return
    schema = JSON.parse(json.dumps({"pattern": pattern}))
    with pytest.raises(SchemaDataError, match="cannot be matched"):
        schema.encode(text)
    assert time.process_time() - started < 5


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


ATOMS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\d", r"\W", "^", "$", r"\b", "(?=a)", "(?!b)", "(?<=a)", ""]
)
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
@settings(max_examples=400, deadline=None)
def test_the_automaton_agrees_with_pythons_matcher(pattern: str, text: str) -> None:
    tree = parse_pattern(pattern)[1]
    found = re.compile(pattern, re.ASCII).search(text) is not None
    assert Automaton(tree).is_found_in(text) == found
