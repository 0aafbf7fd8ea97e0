"""Machines that play random operations on both brokers.

Here a few hundred operations are played; `make random` plays 10,000 with each machine. What was
found to differ is an example of its machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.differential.sides import Scenario, Sides

TIMEOUT = pytest.mark.timeout(0 if "RANDOM_OPERATIONS" in os.environ else 240)
COUNT = int(os.environ.get("RANDOM_OPERATIONS", "240"))
"""How many operations a machine plays."""
LONGEST = 24
Operations = list[tuple[Any, ...]]


def machine(*operations: st.SearchStrategy[Any]) -> Callable[..., Any]:
    """Decorate a test of a machine that plays lists of operations."""

    def decorate(test: Callable[..., Any]) -> Any:
        lists = st.lists(st.one_of(*operations), min_size=4, max_size=LONGEST)
        return settings(
            max_examples=max(COUNT * 2 // (LONGEST + 4), 1),
            deadline=None,
            derandomize="RANDOM_OPERATIONS" not in os.environ,
            database=None,
            # An example takes seconds: to make it smaller would take minutes.
            phases=(Phase.explicit, Phase.generate),
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )(given(operations=lists)(test))

    return decorate


def compare(sides: Sides, scenario: Scenario, times: int = 2) -> None:
    """Play a scenario on both; a difference is one when it is there every time.

    Kafka's coordinators hear of groups' configs, topics and offsets some time after they are told.

    Raises:
        AssertionError: they differ.
    """
    for left in reversed(range(times)):
        try:
            sides.compare(scenario)
            return
        except AssertionError:
            if not left:
                raise


def op(name: str, *arguments: Any) -> st.SearchStrategy[Any]:
    """Return an operation with one of each of the arguments."""
    return st.tuples(st.just(name), *(st.sampled_from(each) for each in arguments))
