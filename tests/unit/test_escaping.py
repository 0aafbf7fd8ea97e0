"""Text of others, made safe to print."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebus.errors import BrokerError, ConfigError, ErrorCode
from fakebus.escaping import MOST_LETTERS, printable, printable_json, printable_lines, shortened
from fakebus.fixture_files.problems import FixtureError, FixtureProblem

# Half surrogate pairs too, which are no text that can be written anywhere.
any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café, 注文 🙂", "café, 注文 🙂"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[31mred\x9b0m", "\\x1b[31mred\\x9b0m"),
        ("\u202eright to left", "\\u202eright to left"),
        ("next\x85line\u2028and\u2029more", "next\\x85line\\u2028and\\u2029more"),
        ("half \ud83d a pair", "half \\ud83d a pair"),
        ("tagged \U000e0041", "tagged \\U000e0041"),
    ],
)
def test_what_does_not_print_becomes_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(any_text)
def test_any_text_becomes_one_line_that_prints_and_stays_it(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


@given(st.lists(any_text, min_size=1))
def test_a_line_among_others_stays_one(lines: list[str]) -> None:
    assert printable_lines(lines).count("\n") == len(lines) - 1


@given(st.dictionaries(any_text, any_text), st.sampled_from([None, 2]))
def test_json_keeps_its_value_and_prints(value: dict[str, str], indent: int | None) -> None:
    shown = printable_json(json.dumps(value, ensure_ascii=False, indent=indent))
    assert json.loads(shown) == value
    assert all(line.isprintable() for line in shown.split("\n"))


def test_the_text_of_an_error_prints_whatever_it_quotes() -> None:
    assert str(ConfigError("there is no \x1b[31mtopic\n")) == "there is no \\x1b[31mtopic\\n"
    refused = BrokerError(ErrorCode.INVALID_RECORD, "bad\nkey")
    assert (str(refused), refused.message) == ("bad\\nkey", "bad\nkey")


def test_every_problem_of_a_set_is_one_line() -> None:
    problem = FixtureProblem(file="a\nb", line=1, column=2, message="\x1b[2J", hint="c\rd")
    assert str(FixtureError([problem, problem])) == "\n".join(["a\\nb:1:2: \\x1b[2J; c\\rd"] * 2)


def test_of_a_very_long_message_both_ends_are_told() -> None:
    assert shortened("x" * MOST_LETTERS) == "x" * MOST_LETTERS
    told = shortened(f"wrong: {'x' * 1_000_000}; mend it")
    assert len(told) < MOST_LETTERS + 50
    assert told.startswith("wrong: xxx")
    assert told.endswith("xxx; mend it")
    assert "996016 letters left out" in told
