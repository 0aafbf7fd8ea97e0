from __future__ import annotations

import re
from pathlib import Path

import pytest

import fakebus
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


_COUNTED = re.compile(
    r"\{(?!MAX_|counted|name\}|quoted)[^{}\"]*\} "
    r"(?:records|partitions|topics|members|replicas|brokers|events|subjects|groups|schemas)\b"
)


def test_nothing_is_counted_by_hand_so_that_one_is_told_in_the_plural() -> None:
    package = Path(fakebus.__file__).parent
    found = {
        f"{path.relative_to(package)}: {match[0]}"
        for path in package.rglob("*.py")
        for match in _COUNTED.finditer(path.read_text(encoding="utf-8"))
    }
    # One is told apart there.
    assert found == {"fixture_files/drift/comparison.py: {count} events"}
