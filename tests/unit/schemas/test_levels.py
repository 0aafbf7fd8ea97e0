"""The laws of the compatibility levels, over every pair of every corpus and random histories."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.fixture_files.structure.compatibility import misfits
from fakebus.registry.compatibility import messages
from fakebus.schemas.interface import STORED, ParsedSchema, SchemaError
from fakebus.schemas.languages import language
from fakebus.types import COMPATIBILITY_LEVELS
from tests.unit.schemas import avro_pairs, protobuf_pairs
from tests.unit.schemas.avro_strategies import schemas as avro_schemas

LANGUAGES = ("AVRO", "JSON", "PROTOBUF")
TRANSITIVE = [level for level in sorted(COMPATIBILITY_LEVELS) if level.endswith("_TRANSITIVE")]


def _texts(schema_type: str) -> list[str]:
    if schema_type == "AVRO":
        pairs = [(json.dumps(pair.old), json.dumps(pair.new)) for pair in avro_pairs.PAIRS]
    elif schema_type == "JSON":
        corpus = json.loads((Path(__file__).parent / "json_pairs.json").read_text())
        pairs = [(json.dumps(pair["old"]), json.dumps(pair["new"])) for pair in corpus]
    else:
        pairs = [
            (f'syntax = "{pair.syntax}"; {pair.before}', f'syntax = "{pair.syntax}"; {pair.after}')
            for pair in protobuf_pairs.PAIRS
        ]
    return [text for pair in pairs for text in pair]


@cache
def stored_corpus(schema_type: str) -> list[ParsedSchema]:
    """Return the same as they are read from a store."""
    return [language(schema_type).parse(text, (), STORED) for text in _texts(schema_type)]


@cache
def corpus(schema_type: str) -> list[ParsedSchema]:
    """Return the schemas of a language's corpus: before and after of each pair in turn."""
    return [language(schema_type).parse(text) for text in _texts(schema_type)]


def fits(level: str, new: ParsedSchema, earlier: list[ParsedSchema]) -> bool:
    """Whether a schema may follow; the registry and the fixture files have to agree."""
    numbered = list(zip(range(len(earlier), 0, -1), earlier, strict=True))
    found = not messages(level, new, numbered)
    assert found == (not misfits(level, new, earlier))
    return found


@pytest.mark.parametrize("schema_type", LANGUAGES)
def test_full_is_backward_and_forward(schema_type: str) -> None:
    schemas = corpus(schema_type)
    outcomes = set()
    for old, new in zip(schemas[::2], schemas[1::2], strict=True):
        backward, forward = fits("BACKWARD", new, [old]), fits("FORWARD", new, [old])
        assert fits("FULL", new, [old]) == (backward and forward)
        assert fits("BACKWARD", old, [new]) == forward
        outcomes.add((backward, forward))
    assert len(outcomes) == 4


@pytest.mark.parametrize("schema_type", LANGUAGES)
def test_every_schema_may_follow_itself_under_every_level(schema_type: str) -> None:
    for schema in corpus(schema_type):
        for level in COMPATIBILITY_LEVELS:
            assert fits(level, schema, [schema, schema])


@pytest.mark.parametrize("schema_type", LANGUAGES)
@settings(max_examples=60)
@given(data=st.data())
def test_what_fits_all_earlier_versions_fits_the_latest(
    schema_type: str, data: st.DataObject
) -> None:
    one = st.sampled_from(corpus(schema_type))
    new, earlier = data.draw(one), data.draw(st.lists(one, min_size=1, max_size=4))
    for level in TRANSITIVE:
        plain = level.removesuffix("_TRANSITIVE")
        each = [fits(plain, new, [old]) for old in earlier]
        assert fits(level, new, earlier) == all(each)
        assert fits(plain, new, earlier) == each[0]
    assert fits("NONE", new, earlier)
    assert all(fits(level, new, []) for level in COMPATIBILITY_LEVELS)


@pytest.mark.parametrize("schema_type", LANGUAGES)
def test_a_stored_schema_is_the_schema_that_was_registered(schema_type: str) -> None:
    parse = language(schema_type).parse
    for new, stored in zip(corpus(schema_type), stored_corpus(schema_type), strict=True):
        assert new.identity == stored.identity
        assert parse(new.canonical).identity == new.identity
        assert parse(parse(new.normalized).canonical).identity == parse(new.normalized).identity
        assert parse(f" {new.canonical}\n").identity == new.identity
        if schema_type == "AVRO":
            assert parse(new.normalized).identity == new.identity


@pytest.mark.parametrize("schema_type", LANGUAGES)
def test_the_name_of_a_schema_is_known_without_parsing_it(schema_type: str) -> None:
    name_of = language(schema_type).name_of
    for text, schema in zip(_texts(schema_type), corpus(schema_type), strict=True):
        assert name_of(text) == schema.name
        assert name_of(schema.canonical) == schema.name


@pytest.mark.parametrize("schema_type", LANGUAGES)
@settings(max_examples=50)
@given(data=st.data())
def test_no_level_minds_whether_a_schema_is_new_or_stored(
    schema_type: str, data: st.DataObject
) -> None:
    new, stored = corpus(schema_type), stored_corpus(schema_type)
    one, *earlier = data.draw(st.lists(st.integers(0, len(new) - 1), min_size=2, max_size=4))
    for level in COMPATIBILITY_LEVELS:
        as_new = fits(level, new[one], [new[at] for at in earlier])
        assert fits(level, new[one], [stored[at] for at in earlier]) == as_new
        assert fits(level, stored[one], [stored[at] for at in earlier]) == as_new


def _turned(value: Any, turn: random.Random) -> Any:
    """Return a schema with the attributes of everything in another order."""
    if isinstance(value, dict):
        names = [*value]
        turn.shuffle(names)
        return {name: _turned(value[name], turn) for name in names}
    return [_turned(one, turn) for one in value] if isinstance(value, list) else value


@settings(max_examples=60)
@given(schema=avro_schemas(), other=avro_schemas(), turn=st.randoms(use_true_random=False))
def test_avro_schemas_are_the_same_in_whatever_order_they_are_written(
    schema: Any, other: Any, turn: random.Random
) -> None:
    parse = language("AVRO").parse
    one, two = parse(json.dumps(schema)), parse(json.dumps(other))
    assert parse(json.dumps(_turned(schema, turn), indent=1)).identity == one.identity
    # What tells them apart stands in the canonical text, whose spelling is settled.
    same = json.loads(one.canonical) == json.loads(two.canonical)
    assert (one.identity == two.identity) == same


def _spoilt(value: Any, spoil: random.Random) -> tuple[Any, int]:
    """Return a schema whose defaults are of any type, and how many there are."""
    count = 0
    if isinstance(value, list):
        parts = [_spoilt(one, spoil) for one in value]
        return [part for part, _ in parts], sum(number for _, number in parts)
    if not isinstance(value, dict):
        return value, 0
    found = {}
    for name, inner in value.items():
        if name == "default" and "symbols" not in value:
            found[name], number = spoil.choice([None, 1, "x", [True], {"a": 1.5}]), 1
        else:
            found[name], number = _spoilt(inner, spoil)
        count += number
    return found, count


@settings(max_examples=60)
@given(old=avro_schemas(), new=avro_schemas(), spoil=st.randoms(use_true_random=False))
def test_a_default_that_fits_nothing_is_still_a_default_for_every_level(
    old: Any, new: Any, spoil: random.Random
) -> None:
    parse = language("AVRO").parse
    (bad_old, _), (bad_new, defaults) = _spoilt(old, spoil), _spoilt(new, spoil)
    stored = [parse(json.dumps(each), (), STORED) for each in (bad_old, bad_new)]
    for level in COMPATIBILITY_LEVELS:
        assert fits(level, stored[1], [stored[1]])
        expected = fits(level, parse(json.dumps(new)), [parse(json.dumps(old))])
        assert fits(level, stored[1], [stored[0]]) == expected
    if not defaults:
        assert parse(json.dumps(bad_new)).identity == stored[1].identity


def test_a_default_that_fits_nothing_is_refused_of_a_new_schema() -> None:
    text = '{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}'
    with pytest.raises(SchemaError):
        language("AVRO").parse(text)
