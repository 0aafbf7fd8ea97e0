from __future__ import annotations

import pytest

from fakebus.wording import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (-1, "-1 entries")]
)
def test_one_of_a_thing_has_no_plural(number: int, words: str) -> None:
    assert counted(number, "entry", "entries") == words


def test_the_plural_of_most_nouns_is_made_by_an_s() -> None:
    assert [counted(number, "record") for number in range(3)] == [
        "0 records",
        "1 record",
        "2 records",
    ]
