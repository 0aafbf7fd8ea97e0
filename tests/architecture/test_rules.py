"""The page of rules names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "broker-rules.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \|$")


def rows() -> list[tuple[str, str, list[str]]]:
    """Return the keys, rules and tests of the page."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    found = [ROW.match(line) for line in lines]
    assert None not in found, lines[found.index(None)]
    return [(each[1], each[2], each[3].split(", ")) for each in found if each is not None]


def test_behind_every_rule_stand_tests_that_exist() -> None:
    missing = [
        f"{key}: {test}"
        for key, _, tests in rows()
        for test in tests
        if not _exists(*test.partition("::")[::2])
    ]
    assert missing == []


def test_every_rule_has_a_key_of_its_own_and_is_said_once() -> None:
    keys, rules, _ = zip(*rows(), strict=True)
    assert len(set(keys)) == len(set(rules)) == len(keys) > 100


def _exists(path: str, name: str) -> bool:
    file = TESTS / path
    return file.is_file() and bool(
        re.search(rf"^(async )?def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    )
