"""Events that a command asks a topic to generate, whatever its set says."""

from __future__ import annotations

from dataclasses import replace

from fakebus.fixture_files.problems import Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.sources import ROOT_FILE
from fakebus.fixture_files.structure.declarations import Origin
from fakebus.fixture_files.structure.event_models import Generate
from fakebus.fixture_files.structure.models import Topic


def ask_for(
    topics: list[Topic], name: str, count: int | None, root: Position, problems: ProblemList
) -> None:
    """Let a topic of a set generate as many events as a command asks for.

    Args:
        topics: those of the set; the one is replaced.
        name: its name.
        count: how many events, instead of what ``generate`` says; a topic without ``generate``
            has them made from its schema.
        root: where it is told that there is no such topic.
        problems: where mistakes go.
    """
    found = next((topic for topic in topics if topic.name == name), None)
    if found is None:
        problems.add(
            root,
            f"there is no topic {quoted(name)}",
            did_you_mean(name, [topic.name for topic in topics])
            if topics
            else "add it under topics",
        )
        return
    wanted = found.generates
    if not wanted:
        if count is None:
            problems.add(
                found.position,
                f"the topic {quoted(name)} has no generate",
                "add it, or say how many events to make from its schema with --count",
            )
            return
        wanted = (Generate(origin=Origin(found.position, {}, ROOT_FILE)),)
    if count is not None:
        wanted = tuple(replace(one, count=count) for one in wanted)
    topics[topics.index(found)] = replace(found, generates=wanted)
