"""The page of rules names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "broker-rules.md"


def test_behind_every_rule_stand_tests_that_exist() -> None:
    rows = [
        line.split("|")[1:3]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| rule")
    ]
    missing = [
        f"{rule.strip()}: {test}"
        for rule, tests in rows
        for test in tests.strip().split(", ")
        if not _exists(*test.partition("::")[::2])
    ]
    assert rows
    assert missing == []


def _exists(path: str, name: str) -> bool:
    file = TESTS / path
    return file.is_file() and bool(
        re.search(rf"^(async )?def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    )
