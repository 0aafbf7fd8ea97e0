"""The README's test snippet runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "README.md"


def test_the_snippet_in_the_readme_passes(pytester: pytest.Pytester) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    pytester.makepyfile(snippet)
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestDeprecationWarning"
    )
    result.assert_outcomes(passed=2)
