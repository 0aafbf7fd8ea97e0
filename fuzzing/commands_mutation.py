"""Commands of Redis made wrong: their arguments, their counts and lengths, and their pieces."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from fuzzing.requests_mutation import Sent

ARGUMENTS = (
    *(b"", b"0", b"-1", b"1", b"$", b">", b"*", b"+", b"-", b"=", b"~", b"0-0", b"1-1", b"(1-1"),
    *(b"18446744073709551615-18446744073709551615", b"99999999999999999999", b"1-", b"-1-1"),
    *(b"NaN", b"inf", b"1e9", b"\xff\x00", b"x" * 70_000, b"\r\n", b"STREAMS", b"COUNT", b"BLOCK"),
    *(b"MAXLEN", b"MINID", b"LIMIT", b"ID", b"NOACK", b"GROUP", b"FORCE", b"JUSTID", b"IDLE"),
    *(b"MKSTREAM", b"ENTRIESREAD", b"FULL", b"\xc3\xa9" * 300, b"9223372036854775808"),
)
MOST_WORDS = 1_000
"""That are added at once."""
MOST_BYTES = 1_500_000
LENGTHS = (b"-1", b"-2", b"0", b"1", b"1048577", b"536870913", b"99999999999999999999", b"x", b"")


class CommandMutator:
    """Source of mutated commands.

    Args:
        said: bytes of clients to begin with.
        choice: chance; the same seed gives the same commands.
    """

    def __init__(self, said: Sequence[bytes], choice: random.Random) -> None:
        self._said = said
        self._commands = [each for data in said for each in commands_of(data)]
        self._choice = choice

    def commands(self) -> Sent:
        """Return a few commands, most of them changed, or bytes that are none."""
        choice = self._choice
        if choice.random() < 0.15:
            data = choice.choice(self._said)
            at = choice.randrange(len(data) + 1)
            other = choice.choice(self._said)
            data = data[:at] + choice.choice((b"", choice.randbytes(1), other)) + data[at + 1 :]
            return Sent([data], is_whole=False, name=repr(data[:60]))
        count = choice.choice((1, 1, 1, 3, 30))
        commands = [self._changed(choice.choice(self._commands)) for _ in range(count)]
        data, is_whole = b"".join(map(encoded, commands)), True
        if len(data) > MOST_BYTES:
            data, is_whole = data[:MOST_BYTES], False
        if choice.random() < 0.1:
            kind = choice.choice((b"*", b"$"))
            at = data.index(kind)
            end = data.index(b"\r\n", at)
            data, is_whole = data[: at + 1] + choice.choice(LENGTHS) + data[end:], False
        at = choice.randrange(len(data)) if choice.random() < 0.2 else 0
        pieces = [piece for piece in (data[:at], data[at:]) if piece]
        return Sent(pieces, is_whole=is_whole, name=repr(commands[0])[:200])

    def _changed(self, command: list[bytes]) -> list[bytes]:
        choice = self._choice
        command = list(command)
        for _ in range(choice.choice((0, 1, 1, 2, 4))):
            at = choice.randrange(len(command) + 1)
            kind = choice.random()
            if kind < 0.6 and 0 < at < len(command):
                command[at] = choice.choice(ARGUMENTS)
            elif kind < 0.75:
                command.insert(max(at, 1), choice.choice(ARGUMENTS))
            elif kind < 0.85 and 0 < at < len(command):
                del command[at]
            elif kind < 0.95:
                command[max(at, 1) :] = choice.choice(self._commands)[1:]
            else:
                command += (command[1:] * choice.choice((2, 500)))[:MOST_WORDS]
        return command


def encoded(command: Sequence[bytes]) -> bytes:
    """Return a command as clients send it."""
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in command)


def commands_of(data: bytes) -> Iterator[list[bytes]]:
    """Give the whole commands that bytes of a client hold."""
    from fakebus.redis.protocol import Parser, ProtocolError

    try:
        yield from (each for each in Parser().feed(data) if each)
    except ProtocolError:
        return
