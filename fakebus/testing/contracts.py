"""Shared sets in tests: what a test emits is held against them, and their events are delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fakebus.cluster.events import Event
from fakebus.escaping import printable_lines
from fakebus.testing.observer import Observer

if TYPE_CHECKING:
    from fakebus.fixture_files.contracts.cases import SharedCase
    from fakebus.testing.shared_sets import SharedSets

_SHOWN = 10


async def shared_sets(observer: Observer) -> SharedSets:
    """Return the sets of fixture files that the test finds, for contracts."""
    from fakebus.testing.shared_sets import read_shared_sets

    # Decoding a large set takes a while, and this is the bus's own loop.
    return await asyncio.to_thread(read_shared_sets, tuple(observer.fixtures))


async def assert_emitted_as_shared(
    observer: Observer, topic: str | None = None, event_type: str | None = None
) -> list[Event]:
    """Make sure that what was emitted is what the shared fixtures and their schemas say.

    Looked at are the events on the topics of the fixture sets, without those that the test
    has published itobserver. Each must have a type that the sets have events of, be coded as
    these are, have every field that all of these have, in one of their types, and match
    what the topic's contract declares. Other fields are free where the schema allows them.

    Args:
        topic: only this topic.
        event_type: only events of this type.

    Returns:
        The events.

    Raises:
        AssertionError: one is not as the sets say, or there was none to look at.
    """
    sets = await shared_sets(observer)
    names = [*sets.topics] if topic is None else [topic]
    if topic is not None and topic not in sets.topics:
        known = ", ".join(sorted(sets.topics)) or "none"
        raise AssertionError(f"no fixture set has the topic {topic}; topics: {known}")
    found, judged = [], []
    for name in names:
        for event in await produced(observer, name):
            if event_type in (None, sets.type_of(name, event)):
                found.append(event)
                problems = sets.problems(name, event)
                if problems:
                    judged.append((event, problems))
    if judged:
        raise _not_as_shared(judged)
    if not found:
        what = f"an event of the type {event_type}" if event_type else "an event"
        where = topic or f"a shared topic ({', '.join(sorted(sets.topics)) or 'there is none'})"
        raise AssertionError(f"{what} was to be emitted onto {where}, and none was")
    return found


async def produced(observer: Observer, topic: str) -> list[Event]:
    """Return a topic's records since the test began but for those that it published."""
    return [
        event
        for event in await observer.events(topic)
        if (event.topic, event.partition, event.offset) not in observer.published
    ]


async def deliver(observer: Observer, case: SharedCase) -> Event:
    """Write a shared event as the only record of its topic and return it as it was stored."""
    from fakebus.fixture_files.contracts.cases import reframed

    topic = observer.namespace.real(case.topic)
    record = reframed(case, await observer.cluster.schema_ids(case.schemas, observer.namespace))
    await observer.cluster.clear(topic)
    event = await observer.cluster.produce(topic, None, record)
    observer.published.add((event.topic, event.partition, event.offset))
    return event


def _not_as_shared(judged: Sequence[tuple[Event, Sequence[str]]]) -> AssertionError:
    """Return the failure of a test that emitted events which are not as the shared sets say."""
    lines = ["what was emitted is not what the shared fixtures and their schemas say:"]
    for event, problems in judged[:_SHOWN]:
        lines.append(f"  {event}")
        lines += [f"      {problem}" for problem in problems]
    if len(judged) > _SHOWN:
        lines.append(f"  … and {len(judged) - _SHOWN} more")
    return AssertionError(printable_lines(lines))
