from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import fakebus
from fakebus.wording import close_names, counted, json_mistake, nearest


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


def test_a_misspelt_name_leads_to_the_right_one_among_many() -> None:
    many = ["Orders-EU", *(f"topic-{number:05}" for number in range(5000))]
    assert close_names("orders-ue", many) == ["Orders-EU"]
    assert nearest("topic-0498", many[:2000]).startswith("did you mean topic-0")


def test_a_name_that_is_like_no_other_leads_to_what_there_is() -> None:
    assert nearest("orders", ["__consumer_offsets"]) == "there are none at all"
    told = nearest("orders", ["__x", *(f"z{number}" for number in range(9))])
    assert told == "there are z0, z1, z2, z3, z4, z5, z6, z7 and 1 more"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"1" * 5000, "a number has too many digits"),
        (b'{"a": "\xff"}', "byte 7 begins no text in UTF-8"),
        (b"[1, 2", "Expecting ',' delimiter: line 1 column 6 (char 5)"),
    ],
)
def test_what_is_no_json_is_told_without_advice_on_python(text: bytes, told: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - which one is the point
        json.loads(text)
    assert json_mistake(caught.value) == told


def test_half_of_a_surrogate_pair_is_told() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        "\ud800".encode()
    assert json_mistake(caught.value) == "a text holds half of a surrogate pair"
