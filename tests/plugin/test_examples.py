"""The examples of README and how-tos run as they stand."""

from __future__ import annotations

import pytest

from fakebus.pytest_plugin import _ISOLATIONS
from fakebus.testing.isolation import Isolation
from tests.examples import python_blocks, run_examples
from tests.plugin.test_plugin import few_plugins

__all__ = ["few_plugins"]


def test_the_examples_pass_under_every_isolation(pytester: pytest.Pytester) -> None:
    assert set(_ISOLATIONS) == {isolation.value for isolation in Isolation}
    tests = sum(block.count("def test_") for block in python_blocks().values())
    assert tests >= 11
    outcomes = run_examples(pytester, _ISOLATIONS)
    assert outcomes.keys() == {"passed"}
    # One that is given every shared event runs several times.
    assert outcomes["passed"] >= tests * len(_ISOLATIONS)
