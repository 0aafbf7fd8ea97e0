"""The words of a request, read one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.redis.protocol import RedisError


class Arguments:
    """Arguments of a command.

    Every method raises :class:`RedisError` when a word is missing or wrong.

    Args:
        command: its name, for messages.
        words: the words.
    """

    def __init__(self, command: str, words: Sequence[bytes]) -> None:
        self._command = command
        self._words = words
        self._next = 0

    @property
    def left(self) -> int:
        """How many words are left."""
        return len(self._words) - self._next

    def raw(self) -> bytes:
        """Return the next word as it is."""
        if not self.left:
            raise RedisError(f"ERR wrong number of arguments for '{self._command.lower()}' command")
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

    def number(self) -> int:
        """Return the next word as a whole number that is not negative."""
        word = self.raw()
        if not word.isdigit() or len(word) > 18:
            raise RedisError("ERR value is not an integer or out of range")
        return int(word)

    def take(self, option: bytes) -> bool:
        """Whether the next word is this option, which is then passed."""
        if self.left and self._words[self._next].upper() == option:
            self._next += 1
            return True
        return False

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return all that is left as pairs; at least one."""
        rest = self.rest()
        if not rest or len(rest) % 2:
            raise RedisError(f"ERR wrong number of arguments for '{self._command.lower()}' command")
        return list(zip(rest[::2], rest[1::2], strict=True))

    def rest(self) -> Sequence[bytes]:
        """Return all words that are left."""
        rest = self._words[self._next :]
        self._next = len(self._words)
        return rest

    def rest_as_text(self) -> list[str]:
        """Return all words that are left as text."""
        return [word.decode("utf-8", "replace") for word in self.rest()]
