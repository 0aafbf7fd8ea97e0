"""Whatever the files hold, loading either works or says where it is wrong."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.problems import FixtureError

NOW_MS = 1_700_000_000_000
STRUCTURE = (
    'version: 1\ntopics:\n  - {name: orders, partitions: 3, load: "e.ndjson"}\n'
    'groups:\n  - {group: g, offsets: {orders: {"*": earliest}}}\n'
)
WORDS = st.sampled_from(
    [
        "version", "topics", "name", "partitions", "config", "load", "groups", "group", "offsets",
        "include", "clock", "anchor", "tz", "seed", "partitioner", "headers", "key", "value",
        "format", "e.ndjson", "fakebus.yaml", "cleanup.policy", "compact", "1", "-1", "*",
        "earliest", "json", "binary", "orders", "now", "$time", "$uuid", "at", "after", "id",
        "type", "data", "topic", "tags", "-1d", "as", "x +5s", "x",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner),
    max_leaves=12,
)


def load(structure: bytes, events: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "fakebus.yaml").write_bytes(structure)
        (root / "e.ndjson").write_bytes(events)
        try:
            fixture_set = load_fixtures(root, now_ms=NOW_MS)
        except FixtureError as error:
            problems = error.problems
        else:
            counts = {topic.name: topic.partitions for topic in fixture_set.topics}
            for stream in fixture_set.streams:
                assert all(0 <= e.partition < counts[stream.topic] for e in stream.events)
            return
    assert problems
    assert all(problem.message for problem in problems)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_random_bytes_as_yaml(content: bytes) -> None:
    load(content, b'{"value": 1}')


@settings(max_examples=40)
@given(st.text(alphabet=st.sampled_from("abc:-{}[]*&!|>'\"#%@`\n \t?,.~<0"), max_size=80))
def test_random_yaml_signs(content: str) -> None:
    load(b"version: 1\n" + content.encode(), b'{"value": 1}')


@settings(max_examples=40)
@given(st.dictionaries(WORDS, JSON, max_size=6))
def test_random_structures(structure: dict[str, object]) -> None:
    text = json.dumps({"version": 1} | structure).encode()
    load(text, b'{"value": 1}')


@settings(max_examples=40)
@given(st.dictionaries(WORDS, JSON, max_size=6))
def test_random_topics(topic: dict[str, object]) -> None:
    text = json.dumps({"version": 1, "topics": [{"name": "a", "load": "e.ndjson"} | topic]})
    load(text.encode(), b'{"value": 1}')


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_random_bytes_as_events(content: bytes) -> None:
    load(STRUCTURE.encode(), content)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(WORDS, JSON, max_size=6), max_size=4))
def test_random_events(events: list[dict[str, object]]) -> None:
    lines = "\n".join(json.dumps({"value": 1} | event) for event in events)
    load(STRUCTURE.encode(), lines.encode())
