"""Words that follow from numbers, for messages, reports and the log."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from itertools import islice

_CLOSE = 0.6
"""How alike two names have to be, from 0 to 1, for one to be meant by the other."""
_MOST_LOOKED_AT = 20_000
_MOST_COMPARED = 500
_MOST_NAMED = 8


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, in the plural where there are more or fewer than one.

    Args:
        number: how many.
        noun: of one.
        plural: of several; the noun with an s when left out.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def some(names: Iterable[str]) -> str:
    """Return names for a line of the log, the first few of them if there are many."""
    found = sorted(set(names))
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def duration(seconds: float) -> str:
    """Return a span of time for people: what is small beside it is left out."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_000 else f"{seconds / 86_400:.0f} d"


def json_mistake(error: Exception) -> str:
    """Return what Python says of a text that is no JSON, but not how it is configured."""
    if isinstance(error, UnicodeEncodeError):
        return "a text holds half of a surrogate pair"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} begins no text in UTF-8"
    text = str(error)
    return "a number has too many digits" if "set_int_max_str_digits" in text else text


def close_names(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known names that are most like a misspelt one, in any case, the closest first.

    Of many names only those are compared in full that have the same letters in the same
    places and are about as long: each takes
    some microseconds.
    """
    # Who misspells nothing does not need it.
    from difflib import get_close_matches

    word = word.lower()
    some = islice((name for name in known if not name.startswith("__")), _MOST_LOOKED_AT)
    names = {name.lower(): name for name in sorted(some)}

    def unlikeness(name: str) -> int:
        same = sum(letter == other for letter, other in zip(name, word, strict=False))
        return abs(len(name) - len(word)) - same

    likely = nsmallest(_MOST_COMPARED, names, unlikeness)
    return [names[name] for name in get_close_matches(word, likely, most, _CLOSE)]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return words that lead from a misspelt name to the right one."""
    names = [name for name in known if not name.startswith("__")]
    close = close_names(word, names)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    if not names:
        return "there are none at all"
    shown, more = nsmallest(_MOST_NAMED, names), len(names) - _MOST_NAMED
    return f"there are {', '.join(shown)}" + (f" and {more} more" if more > 0 else "")
