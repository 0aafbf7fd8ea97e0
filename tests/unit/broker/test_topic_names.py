from __future__ import annotations

import pytest

from fakebus.broker.topic_names import is_internal, topic_name_problem


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "...", "_", "x" * 249])
def test_kafkas_names_are_allowed(name: str) -> None:
    assert topic_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "cannot be"),
        ("..", "cannot be"),
        ("x" * 250, "250 characters"),
        ("a b", "'a b' holds"),
        ("ü", "'ü' holds"),
        ("a/b", "'a/b' holds"),
        ("a\n", "holds"),
        ("٣", "holds"),
    ],
)
def test_other_names_are_refused_with_the_reason(name: str, reason: str) -> None:
    assert reason in (topic_name_problem(name) or "")


def test_kafkas_own_topics_are_internal() -> None:
    assert is_internal("__consumer_offsets")
    assert is_internal("__transaction_state")
    assert is_internal("__share_group_state")
    assert not is_internal("__mine")
