"""Words that follow from numbers, for messages, reports and the log."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, in the plural where there are more or fewer than one.

    Args:
        number: how many.
        noun: of one.
        plural: of several; the noun with an s when left out.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
