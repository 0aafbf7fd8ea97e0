"""Pairing off two lists so that as many as possible fit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence


def largest_matching(preferred: Sequence[int], size: int, fits: Callable[[int, int], bool]) -> int:
    """Return how many can be paired off at most, each used once.

    Augmenting paths, searched breadth first. What fits is asked for only when it matters: lists
    in which nearly everything fits its preferred partner need hardly more than one question each.

    Args:
        preferred: for each on the left, whom on the right to try first.
        size: how many there are on the right.
        fits: whether one on the left fits one on the right.
    """
    partner_of: dict[int, int] = {}
    return sum(_place(left, preferred, size, fits, partner_of) for left in range(len(preferred)))


def _place(
    start: int,
    preferred: Sequence[int],
    size: int,
    fits: Callable[[int, int], bool],
    partner_of: dict[int, int],
) -> bool:
    reached_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        left = waiting.popleft()
        for right in (preferred[left], *range(size)):
            if right in reached_from or not fits(left, right):
                continue
            reached_from[right] = left
            if right not in partner_of:
                _take(right, start, reached_from, partner_of)
                return True
            waiting.append(partner_of[right])
    return False


def _take(right: int, start: int, reached_from: dict[int, int], partner_of: dict[int, int]) -> None:
    """Give everybody on the way from the start to a free one the partner that was reached."""
    partner_by_left = {left: taken for taken, left in partner_of.items()}
    while True:
        left = reached_from[right]
        partner_of[right] = left
        if left == start:
            return
        right = partner_by_left[left]
