"""The README's test snippet runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "README.md"


def test_the_snippet_in_the_readme_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    pytester.makepyfile(snippet)
    # Loading all the plugins that are installed takes longer than the test.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "fakebus.pytest_plugin", "-p", "pytest_asyncio.plugin")
    )
    result.assert_outcomes(passed=2)
