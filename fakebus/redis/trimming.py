"""MAXLEN, MINID and LIMIT: what XADD and XTRIM are told to remove."""

from __future__ import annotations

from dataclasses import dataclass

from fakebus.redis.arguments import SYNTAX_ERROR, Arguments
from fakebus.redis.entries import EntryId
from fakebus.redis.protocol import RedisError


@dataclass(slots=True)
class Trimming:
    """Bound of a stream's length or age; there is none at first."""

    max_length: int | None = None
    min_id: EntryId | None = None
    approximate: bool = False
    limit: int | None = None
    """How many entries are removed at most; 0 is any number."""

    @property
    def wanted(self) -> bool:
        """Whether there is a bound."""
        return self.max_length is not None or self.min_id is not None

    def take(self, arguments: Arguments) -> bool:
        """Take the next word if it is an option of trimming, with what belongs to it."""
        option = arguments.word()
        # The last word is never an option: each of them is followed by another one.
        if option not in ("MAXLEN", "MINID", "LIMIT") or not arguments.left:
            arguments.back()
            return False
        if option == "LIMIT":
            self.limit = _not_negative(arguments, "LIMIT")
            return True
        if (self.min_id if option == "MAXLEN" else self.max_length) is not None:
            raise RedisError(
                f"{SYNTAX_ERROR}, MAXLEN and MINID options at the same time are not compatible"
            )
        self.approximate = arguments.take(b"~")
        if not self.approximate:
            arguments.take(b"=")
        if option == "MAXLEN":
            self.max_length = _not_negative(arguments, "MAXLEN")
        else:
            self.min_id = EntryId.parse(arguments.raw())
        return True

    def check(self) -> None:
        """Refuse options that do not belong together."""
        if self.limit and not self.wanted:
            raise RedisError(
                f"{SYNTAX_ERROR}, LIMIT cannot be used without specifying a trimming strategy"
            )
        if self.limit is not None and not self.approximate:
            raise RedisError(f"{SYNTAX_ERROR}, LIMIT cannot be used without the special ~ option")


def _not_negative(arguments: Arguments, option: str) -> int:
    number = arguments.integer()
    if number < 0:
        raise RedisError(f"ERR The {option} argument must be >= 0.")
    return number
