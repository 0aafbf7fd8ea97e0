"""Checks of what a pack holds: whoever made it, it gets no further than a directory would.

Events are looked at by columns, since there may be hundreds of thousands.
"""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.fixture_files.model import FixtureSchema, FixtureStream, FixtureTopic
from fakebus.fixture_files.problems import quoted
from fakebus.fixture_files.structure.models import MAX_PARTITIONS
from fakebus.fixture_files.structure.topic_rules import config_problem, name_problem
from fakebus.fixture_files.times import LATEST_MS
from fakebus.schemas.languages import SCHEMA_TYPES
from fakebus.wording import counted

_MAX_SCHEMA_ID = 2**31 - 1
_TEXT, _BYTES, _NONE = {str}, {bytes}, {type(None)}


def check_topic(topic: FixtureTopic) -> None:
    """Make sure that a topic can be created.

    Raises:
        ValueError: it cannot.
    """
    if not 1 <= topic.partitions <= MAX_PARTITIONS:
        raise ValueError(f"a topic has {counted(topic.partitions, 'partition')}")
    problems = (config_problem(name, text) for name, text in topic.config.items())
    for problem in (name_problem(topic.name), *problems):
        if problem is not None:
            raise ValueError(problem[0])


def check_schema(schema: FixtureSchema) -> None:
    """Make sure that a schema has a language, and an id that fits a frame.

    Raises:
        ValueError: it has not.
    """
    if schema.schema_type not in SCHEMA_TYPES:
        raise ValueError(f"there are no schemas of the type {quoted(schema.schema_type)}")
    if not 1 <= schema.schema_id <= _MAX_SCHEMA_ID:
        raise ValueError(f"a schema has the id {schema.schema_id}")


def check_events(stream: FixtureStream, topic: FixtureTopic) -> None:
    """Make sure that the events of a stream can be written to its topic.

    Raises:
        ValueError: they cannot.
    """
    events, records = stream.events, [event.record for event in stream.events]
    headers = [pair for pairs in {record.headers for record in records} for pair in pairs]
    for what, column, allowed in (
        ("key", (record.key for record in records), _BYTES | _NONE),
        ("value", (record.value for record in records), _BYTES | _NONE),
        ("name of a header", (name for name, _ in headers), _TEXT),
        ("header", (content for _, content in headers), _BYTES | _NONE),
        ("digest", (event.digest for event in events), _BYTES),
        ("id", (event.event_id for event in events), _TEXT | _NONE),
        ("tag", (tag for event in events for tag in event.tags), _TEXT),
    ):
        wrong = set(map(type, column)) - allowed
        if wrong:
            raise ValueError(f"a {what} is of the type {wrong.pop().__name__}")
    for what, numbers, least, most in (
        ("line", [event.line for event in events], 1, 2**31),
        ("partition", [event.partition for event in events], 0, topic.partitions - 1),
        ("timestamp", [record.timestamp_ms for record in records], 0, LATEST_MS),
    ):
        if set(map(type, numbers)) - {int} or not _are_between(least, numbers, most):
            raise ValueError(f"a {what} is no number from {least} to {most}")


def _are_between(least: int, numbers: Sequence[int], most: int) -> bool:
    return not numbers or (least <= min(numbers) and max(numbers) <= most)
