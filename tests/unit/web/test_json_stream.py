"""JSON objects one behind the other, cut anywhere."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fakebus.web import json_stream
from fakebus.web.json_stream import JsonStream

OBJECTS: list[dict[str, Any]] = [
    {},
    {"a": "}{", "b": [1.5e3, True, None], "ü": '\u20ac \\ " \n'},
    {"nested": {"deep": {}}},
]
TEXT = '{} {"a": "}{", "b": [1.5e3, true, null], "ü": "€ \\\\ \\" \\n"}\r\n{"nested":{"deep":{}}}'


def read(text: str | bytes, size: int) -> list[dict[str, Any]]:
    data = text.encode() if isinstance(text, str) else text
    stream, found = JsonStream(), []
    for at in range(0, len(data), size):
        stream.feed(data[at : at + size])
        while some := stream.take():
            found += some
    stream.feed(b"")
    while some := stream.take():
        found += some
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_objects_are_the_same_wherever_they_are_cut(size: int) -> None:
    assert read(TEXT, size) == OBJECTS
    assert read("", size) == []
    assert read(" \n ", size) == []
    assert read('{"n":1}' * 1200, size * 100) == [{"n": 1}] * 1200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", r"begins with \{"),
        ("no", r"begins with \{"),
        ('{"a":1} x', r"begins with \{"),
        ('{"a":1', "delimiter"),
        ('{"a":"x', "Unterminated"),
        ('{"a" 1, "long enough to be sure": 1}', "delimiter"),
        ("{" * 20, "property name"),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        (b'{"a":"\xff"}', "utf-8"),
        (b'{"a":"\xe2\x82', "utf-8"),
    ],
)
def test_what_is_no_object_is_told(text: str | bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(text, 1000)


def test_the_objects_before_a_bad_one_are_returned_first() -> None:
    stream = JsonStream()
    stream.feed(b'{"a":1}{"b":2}[]')
    assert stream.take() == [{"a": 1}, {"b": 2}]
    with pytest.raises(ValueError, match=r"begins with \{"):
        stream.take()


def test_an_object_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MOST_LETTERS", 100)
    stream = JsonStream()
    stream.feed(b'{"a":"')
    assert stream.take() == []
    stream.feed(b"x" * 100)
    with pytest.raises(ValueError, match="more than 100 letters"):
        stream.take()


def test_many_objects_that_come_at_once_are_taken_without_copies_of_what_is_behind_them() -> None:
    stream, began, count = JsonStream(), time.process_time(), 0
    stream.feed(b'{"a": 1}\n' * 200_000)
    while found := stream.take():
        count += len(found)
    assert count == 200_000
    # A copy of the rest for each of them takes a quarter of a minute.
    assert time.process_time() - began < 5
