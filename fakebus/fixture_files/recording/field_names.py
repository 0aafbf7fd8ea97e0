"""Names of fields, cut into the words that they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from unicodedata import combining, normalize

_WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_JOINED = {("e", "mail"): "email", ("e", "mails"): "email", ("i", "ban"): "iban", ("i", "p"): "ip"}

_BRANCHES = frozenset(("string", "bytes", "int", "long", "float", "double", "boolean"))


def field_names(path: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the fields that a place lies in, the innermost first.

    Numbers of items, and the names that Avro gives branches of unions, are none.
    """
    return (name for name in reversed(path) if name_parts(name) and name not in _BRANCHES)


@lru_cache(maxsize=65536)
def name_parts(name: str) -> tuple[str, ...]:
    """Return the words of a name: small letters, in the singular, without numbers.

    ``customer_name``, ``customerNames``, ``CUSTOMER-NAME`` and ``customer.name2`` are all
    ``("customer", "name")``; letters with accents are those without.
    """
    words = [word.lower() for word in _WORD.findall(_plain(name))]
    parts: list[str] = []
    for word in words:
        joined = _JOINED.get((parts[-1], word)) if parts else None
        if joined is not None:
            parts[-1] = joined
        else:
            parts.append(_singular(word))
    return tuple(parts)


def _plain(name: str) -> str:
    """Return a name without accents, so that its words are not cut at their letters."""
    if name.isascii():
        return name
    letters = normalize("NFKD", name.replace("\u00df", "ss"))
    return "".join(letter for letter in letters if not combining(letter))


def _singular(word: str) -> str:
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1]
