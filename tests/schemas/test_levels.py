"""The laws of the compatibility levels, over every pair of every corpus and random histories."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.fixture_files.structure.compatibility import misfits
from fakebus.registry.compatibility import messages
from fakebus.registry.model import LEVELS
from fakebus.schemas.interface import ParsedSchema
from fakebus.schemas.languages import language
from tests.schemas import avro_pairs, protobuf_pairs

LANGUAGES = ("AVRO", "JSON", "PROTOBUF")
TRANSITIVE = [level for level in sorted(LEVELS) if level.endswith("_TRANSITIVE")]


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
        for level in LEVELS:
            assert fits(level, schema, [schema, schema])


@pytest.mark.parametrize("schema_type", LANGUAGES)
@settings(max_examples=150, deadline=None)
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
    assert all(fits(level, new, []) for level in LEVELS)
