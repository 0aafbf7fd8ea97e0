"""The tutorials do, typed as they stand, what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import DOCS
from tests.docs.pages import follow

TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_as_it_says(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path)
