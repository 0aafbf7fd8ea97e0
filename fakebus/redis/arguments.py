"""The words of a request, read one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.redis.protocol import RedisError

SYNTAX_ERROR = "ERR syntax error"
NO_INTEGER = "ERR value is not an integer or out of range"


class Arguments:
    """Words that follow a command's name.

    Every method raises :class:`RedisError` when a word is missing or wrong. Whether there are
    enough words at all is known before, from the table of commands.

    Args:
        words: the words.
    """

    def __init__(self, words: Sequence[bytes]) -> None:
        self._words = words
        self._next = 0

    @property
    def left(self) -> int:
        """How many words are left."""
        return len(self._words) - self._next

    def raw(self) -> bytes:
        """Return the next word as it is."""
        if not self.left:
            raise RedisError(SYNTAX_ERROR)
        self._next += 1
        return self._words[self._next - 1]

    def text(self) -> str:
        """Return the next word as text."""
        try:
            return self.raw().decode()
        except UnicodeDecodeError:
            raise RedisError("ERR names must be UTF-8") from None

    def word(self) -> str:
        """Return the next word in upper case, as options are compared."""
        return self.raw().upper().decode("ascii", "replace")

    def integer(self, problem: str = NO_INTEGER) -> int:
        """Return the next word as a whole number of 64 bits.

        Args:
            problem: the error for a word that is none.
        """
        word = self.raw()
        digits = word.removeprefix(b"-")
        if not digits.isdigit() or len(digits) > 19 or abs(int(digits)) >= 2**63:
            raise RedisError(problem)
        return int(word)

    def take(self, option: bytes) -> bool:
        """Whether the next word is this option, which is then passed."""
        if self.left and self._words[self._next].upper() == option:
            self._next += 1
            return True
        return False

    def back(self) -> None:
        """Go back by one word."""
        self._next -= 1

    def rest(self) -> Sequence[bytes]:
        """Return all words that are left."""
        rest = self._words[self._next :]
        self._next = len(self._words)
        return rest

    def rest_as_text(self) -> list[str]:
        """Return all words that are left as text."""
        return [word.decode("utf-8", "replace") for word in self.rest()]

    def options(self, *numbers: str, flags: Sequence[str] = ()) -> dict[str, int]:
        """Return what is left as options, of which the last one of a name counts.

        Args:
            numbers: names that a whole number follows.
            flags: names that stand alone; they are in the answer if they are given.
        """
        found: dict[str, int] = {}
        while self.left:
            name = self.word()
            if name in numbers and self.left:
                found[name] = self.integer()
            elif name in flags:
                found[name] = 1
            else:
                raise RedisError(SYNTAX_ERROR)
        return found

    def end(self) -> None:
        """Refuse words that are left: nothing that a client asks for is passed over."""
        if self.left:
            raise RedisError(SYNTAX_ERROR)
