"""Text of others made safe to print: for terminals, logs, reports and messages of errors.

Names, keys and headers come from the clients of the bus. Printed as they are, a line break
forges a line of the log, an escape sequence reprograms the terminal, a bidirectional override
turns the words around, and half a surrogate pair is no text at all. Here each such character
becomes its escape, so that one line stays one line and shows what is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

MOST_LETTERS = 4_000
"""Of a message, before it is escaped."""


def printable(text: str) -> str:
    r"""Return a text on one line, with ``\n``, ``\x1b`` or ``\u202e`` for what does not print.

    Text that prints is returned as it is, so doing it twice changes nothing more.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def shortened(text: str) -> str:
    """Return a text with its middle left out if it is longer than a message may be.

    What is wrong is said at one end of a message, and how to mend it at the other; between them may
    stand a value of any length.
    """
    if len(text) <= MOST_LETTERS:
        return text
    kept = MOST_LETTERS // 2
    return f"{text[:kept]} … {len(text) - 2 * kept} letters left out … {text[-kept:]}"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def printable_lines(lines: Iterable[str]) -> str:
    """Return lines joined; none of them can become two."""
    return "\n".join(map(printable, lines))


def printable_json(text: str) -> str:
    """Return the same JSON value written with characters that print, and line breaks.

    Args:
        text: JSON, such as ``json.dumps`` makes with ``ensure_ascii=False``.
    """
    if text.isprintable():
        return text
    # Outside of its strings JSON has nothing else that does not print.
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )
