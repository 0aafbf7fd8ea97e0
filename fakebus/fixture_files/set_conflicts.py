"""What several sets say of one topic or group, and say differently.

Sets that are loaded together are seeded one after the other, so that the last would win, and events
would lie in formats and partitions that the other set does not expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fakebus.fixture_files.model import FixtureSet, FixtureTopic
from fakebus.fixture_files.problems import FixtureProblem, Position, quoted

_HINT = "say the same in both, or leave it to one of them"


def set_conflicts(sets: Sequence[FixtureSet]) -> Iterator[FixtureProblem]:
    """Yield every contradiction, at the place of the later set."""
    topics: dict[str, FixtureTopic] = {}
    starts: dict[tuple[str, str, int | None], tuple[object, Position]] = {}
    for fixture_set in sets:
        for topic in fixture_set.topics:
            first = topics.setdefault(topic.name, topic)
            for what, here, there in _differences(topic, first):
                message = f"the topic {quoted(topic.name)} has {what} {here} here and {there}"
                yield _problem(topic.position, message, first.position)
        for group in fixture_set.groups:
            for offset in group.offsets:
                key = (group.group, offset.topic, offset.partition)
                start, position = starts.setdefault(key, (offset.start, group.position))
                if start != offset.start:
                    message = f"the group {quoted(group.group)} begins to read {offset.topic} at "
                    message += f"{offset.start} here and at {start}"
                    yield _problem(group.position, message, position)


def _differences(topic: FixtureTopic, first: FixtureTopic) -> Iterator[tuple[str, object, object]]:
    if topic.partitions != first.partitions:
        yield "partitions:", topic.partitions, first.partitions
    for part, here, there in zip(("keys", "values"), topic.formats, first.formats, strict=True):
        # Packs of older versions do not say.
        if here and there and here != there:
            yield f"{part} in", here, there
    for name in sorted({*topic.config, *first.config}):
        here, there = (one.config.get(name, "not set") for one in (topic, first))
        if here != there:
            yield f"{name}:", here, there


def _problem(position: Position, message: str, other: Position) -> FixtureProblem:
    return FixtureProblem(
        file=position.file,
        line=position.line,
        column=position.column,
        message=f"{message} in {other.file}:{other.line}",
        hint=_HINT,
    )
