"""The documentation site, as far as it can be held without building it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = {"index.md", "changelog.md", "contributing.md", "reference/python.md"}


def test_every_page_of_the_documentation_is_in_the_site_once() -> None:
    pages = re.findall(r"[^ ]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(pages) == sorted(there | GENERATED)
