"""Profiles: parts of a set by tags, topics and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.problems import FixtureError
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000
SET = """\
version: 1
topics:
  - {name: dev-course, load: c.ndjson}
  - {name: dev-user, load: u.ndjson}
groups:
  - {group: g, offsets: {dev-course: {"*": 0}, dev-user: {"*": 1}}}
  - {group: h, offsets: {dev-user: {"*": 2}}}
"""
EVENTS = {
    "c.ndjson": (
        '{"value": 1}\n{"value": 2, "tags": ["demo"]}\n{"value": 3, "tags": ["load", "x"]}\n'
    ),
    "u.ndjson": '{"value": 4, "tags": ["load"], "id": "a"}\n{"value": 5, "after": "a +1s"}\n',
    "more.ndjson": '{"topic": "dev-user", "value": 6}\n{"topic": "dev-user", "value": 7}\n',
}


def values(root: Path, profile: str | None) -> list[bytes | None]:
    fixture_set = load_fixtures(root, now_ms=NOW_MS, profile=profile)
    return [event.record.value for stream in fixture_set.streams for event in stream.events]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("{tags: demo}", [b"1", b"2", b"5"]),
        ("{tags: [demo, x], untagged: false}", [b"2", b"3"]),
        ("{topics: 'dev-c*'}", [b"1", b"2", b"3"]),
        ("{topics: ['dev-c*', dev-user], tags: [load]}", [b"1", b"3", b"4", b"5"]),
        ("{include: more.ndjson}", [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]),
        ("{}", [b"1", b"2", b"3", b"4", b"5"]),
    ],
)
def test_a_profile_keeps_what_belongs_to_it(
    write_set: WriteSet, profile: str, expected: list[bytes]
) -> None:
    text = SET.replace('"*": 2', '"*": earliest').replace('"*": 1', '"*": 0')
    if "include" not in profile:
        text += "lint: {ignore: unused-file/more.ndjson}\n"
    root = write_set({"fakebus.yaml": f"{text}profiles: {{p: {profile}}}\n", **EVENTS})
    assert values(root, "p") == expected
    assert values(root, None) == [b"1", b"2", b"3", b"4", b"5"]
    assert check_fixtures(root, now_ms=NOW_MS) == []


def test_topics_and_groups_that_do_not_belong_to_a_profile_are_not_there(
    write_set: WriteSet,
) -> None:
    root = write_set({"fakebus.yaml": SET + "profiles: {p: {topics: dev-course}}\n", **EVENTS})
    fixture_set = load_fixtures(root, now_ms=NOW_MS, profile="p")
    assert [topic.name for topic in fixture_set.topics] == ["dev-course"]
    assert [group.group for group in fixture_set.groups] == ["g"]
    assert [offset.topic for offset in fixture_set.groups[0].offsets] == ["dev-course"]


def test_an_event_may_come_after_one_that_is_left_out(write_set: WriteSet) -> None:
    root = write_set(
        {
            "fakebus.yaml": SET.replace('"*": 2', '"*": 0').replace('"*": 1', '"*": 0')
            + "profiles: {p: {tags: demo}}\n",
            **EVENTS,
        }
    )
    streams = load_fixtures(root, now_ms=NOW_MS, profile="p").streams
    assert streams[-1].events[0].record.timestamp_ms == NOW_MS + 1000


@pytest.mark.parametrize(
    ("profiles", "asked", "expected"),
    [
        ("{demo: {}}", "dmeo", '8:11: the set has no profile "dmeo"; did you mean "demo"?'),
        ("{}", "demo", '8:11: the set has no profile "demo"; add it under profiles'),
        (
            "{p: 5}",
            None,
            '8:15: the profile "p" must be an object, not a number; write  name: value',
        ),
        ("{p: {tag: x}}", None, '8:16: the profile "p" has no field "tag"; did you mean "tags"?'),
        ("{p: {tags: dmeo}}", None, '8:22: no event has the tag "dmeo"; did you mean "demo"?'),
        (
            "{p: {topics: 'dev-users'}}",
            None,
            '8:24: no topic is called "dev-users"; did you mean "dev-user"?',
        ),
        (
            "{p: {untagged: 5}}",
            None,
            '8:26: "untagged" must be true or false, not a number; write true or false',
        ),
        (
            "{p: {include: x.txt}}",
            "p",
            '8:25: "x.txt" cannot be included; include .yaml files, or .ndjson files with events',
        ),
    ],
)
def test_mistake_in_a_profile_is_told(
    write_set: WriteSet, profiles: str, asked: str | None, expected: str
) -> None:
    text = SET.replace('"*": 2', '"*": 0')
    root = write_set({"fakebus.yaml": f"{text}profiles: {profiles}\n", **EVENTS})
    found = check_fixtures(root, now_ms=NOW_MS, profile=asked)
    assert [str(one) for one in found] == [f"{root / 'fakebus.yaml'}:{expected}"]
    with pytest.raises(FixtureError):
        load_fixtures(root, now_ms=NOW_MS, profile=asked)


def test_checking_a_set_checks_the_files_of_its_profiles_too(write_set: WriteSet) -> None:
    text = "version: 1\ntopics: [{name: a}]\nprofiles: {p: {include: e.ndjson}}\n"
    root = write_set({"fakebus.yaml": text, "e.ndjson": '{"topic": "b", "value": 1}\n'})
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert str(problem) == f'{root / "e.ndjson"}:1:11: there is no topic "b"; known: a'
    assert load_fixtures(root, now_ms=NOW_MS).record_count == 0
