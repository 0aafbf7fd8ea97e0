"""JSON objects that come one behind the other, in pieces of any size."""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from typing import Any

from fakebus.wording import json_mistake

MOST_LETTERS = 4 << 20
"""Of one object."""
_MOST_OBJECTS = 500
"""That are given at once."""
_SPACE = " \t\r\n"
_BEHIND_SPACE = re.compile(f"[{_SPACE}]*").match
_LONGEST_WORD = 12
"""More letters than what may be cut off within a word, a number or an escape."""


class JsonStream:
    """Reader of JSON objects, one behind the other, with white space between them or none."""

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder()
        self._utf8 = getincrementaldecoder("utf-8")()
        self._text = ""
        self._has_ended = False
        self._may_have_more = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes; none are the end.

        Raises:
            ValueError: they are no UTF-8.
        """
        self._has_ended = not data
        self._text += self._utf8.decode(data, final=self._has_ended)
        # Of a large object not all has to be looked at with each piece that comes.
        begins = self._text[:100].lstrip(_SPACE)[:1] in ("", "{")
        if b"}" in data or not begins or self._has_ended or len(self._text) > MOST_LETTERS:
            self._may_have_more = True

    def take(self) -> list[dict[str, Any]]:
        """Return the next objects that are complete; none if more has to come before.

        Raises:
            ValueError: what comes next is no JSON object, or too long for one.
        """
        found: list[dict[str, Any]] = []
        at = 0
        while self._may_have_more and len(found) < _MOST_OBJECTS:
            at = _BEHIND_SPACE(self._text, at).end()  # type: ignore[union-attr] # it always matches
            try:
                each, at = self._next(at)
            except ValueError:
                if not found:
                    raise
                break
            if each is None:
                self._may_have_more = False
                break
            found.append(each)
        self._text = self._text[at:]
        return found

    def _next(self, at: int) -> tuple[dict[str, Any] | None, int]:
        """Return the object at a place and where it ends; ``None`` if it is not complete."""
        left = len(self._text) - at
        if not left:
            return None, at
        if self._text[at] != "{":
            raise ValueError(f"an object begins with {{, not with {self._text[at]!r}")
        try:
            each, end = self._decoder.raw_decode(self._text, at)
        except RecursionError:
            raise ValueError("an object is nested too deeply") from None
        except json.JSONDecodeError as error:
            is_cut = error.pos >= len(self._text) - _LONGEST_WORD or "Unterminated" in error.msg
            if is_cut and not self._has_ended and left <= MOST_LETTERS:
                return None, at
            if is_cut and left > MOST_LETTERS:
                raise ValueError(f"an object has more than {MOST_LETTERS} letters") from None
            raise ValueError(f"{error.msg} at letter {error.pos - at} of an object") from None
        except ValueError as error:
            raise ValueError(json_mistake(error)) from None
        return each, end
