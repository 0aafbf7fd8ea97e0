"""Data that is nested deeply is found, left out of examples, and written on one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakebus.catalogue.event_types import _shown
from fakebus.nesting import READABLE, WALKED, is_deeper, laid_out_text
from fakebus.web.console.rendering import laid_out


def nested(levels: int) -> Any:
    data: Any = 1
    for level in range(levels):
        data = [data] if level % 2 else {"inner": data}
    return data


@pytest.mark.parametrize("levels", [0, 1, 7])
def test_levels_are_counted(levels: int) -> None:
    assert not is_deeper(nested(levels), levels)
    assert is_deeper(nested(levels + 1), levels)


def test_examples_are_what_can_be_read() -> None:
    assert _shown([nested(READABLE + 1), {"a": 1}, nested(900)]) == [{"a": 1}]


def test_what_nobody_reads_takes_one_line() -> None:
    assert "\n" in laid_out(nested(READABLE))
    assert "\n" not in laid_out(nested(READABLE + 1))


def test_a_text_of_json_has_lines_as_far_as_its_levels_are_walked() -> None:
    assert laid_out_text('{"a":"ä","b":[1]}') == '{\n  "a": "ä",\n  "b": [\n    1\n  ]\n}'
    assert laid_out_text(json.dumps(nested(WALKED))).count("\n") > WALKED


@pytest.mark.parametrize(
    "text",
    [
        'syntax = "proto3";',
        "",
        json.dumps(nested(WALKED + 1)),
        "[" * 100_000 + "]" * 100_000,
    ],
    ids=["no JSON", "empty", "deep", "too deep to be read"],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert laid_out_text(text) == text
