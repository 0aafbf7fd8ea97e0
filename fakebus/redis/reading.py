"""What reading commands have in common: options, waiting, and the form of answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from fakebus.real_time import monotonic
from fakebus.redis.arguments import SYNTAX_ERROR, Arguments
from fakebus.redis.call import Call, Session
from fakebus.redis.groups import StreamGroup
from fakebus.redis.protocol import Map, RedisError, Reply

ALL = 2**31
_BLOCK_FOREVER_MS = 24 * 3_600_000
_GROUPS_ONLY = "option is only supported by XREADGROUP. You called XREAD instead."


async def blocking(
    call: Call,
    look: Callable[[], Awaitable[Map | None]],
    names: Iterable[str],
    block_ms: int | None,
    groups: Sequence[StreamGroup] = (),
) -> Map | None:
    """Return what there is, or what comes within a time.

    Args:
        call: whose client may go away meanwhile.
        look: returns what there is.
        names: the streams where something new may come, whether they exist or not.
        block_ms: how long to wait; 0 is for ever, ``None`` not at all.
        groups: the groups that it reads in, which wake it when they are removed.
    """
    if block_ms is None:
        return await look()
    session = call.session
    deadline = monotonic() + (block_ms or _BLOCK_FOREVER_MS) / 1000
    with call.streams.follow(names) as tail:
        for group in groups:
            group.readers.add(tail)
        try:
            while True:
                tail.mark_seen()
                found = await look()
                left_s = deadline - monotonic()
                if found is not None or left_s <= 0 or session.gone:
                    return found
                session.waiting = True
                await tail.wait(left_s)
                session.waiting = False
        finally:
            for group in groups:
                group.readers.discard(tail)


@dataclass(slots=True)
class ReadOptions:
    """COUNT, BLOCK, NOACK and STREAMS of a reading command."""

    count: int = ALL
    block_ms: int | None = None
    no_ack: bool = False
    streams: Sequence[tuple[str, bytes]] = ()


def read_options(arguments: Arguments, command: str) -> ReadOptions:
    """Return the options of XREAD and XREADGROUP.

    Args:
        arguments: what is left of the request.
        command: which of the two.
    """
    options = ReadOptions()
    while True:
        word = arguments.word()
        if word == "COUNT" and arguments.left:
            count = arguments.integer()
            options.count = count if count > 0 else ALL
        elif word == "BLOCK" and arguments.left:
            options.block_ms = arguments.integer("ERR timeout is not an integer or out of range")
            if options.block_ms < 0:
                raise RedisError("ERR timeout is negative")
        elif word in ("NOACK", "GROUP") and command == "XREAD":
            raise RedisError(f"ERR The {word} {_GROUPS_ONLY}")
        elif word == "NOACK":
            options.no_ack = True
        elif word == "STREAMS" and arguments.left:
            break
        else:
            raise RedisError(SYNTAX_ERROR)
    words = arguments.rest()
    if len(words) % 2:
        raise RedisError(
            f"ERR Unbalanced '{command.lower()}' list of streams: for each stream key an ID or "
            f"'{'$' if command == 'XREAD' else '>'}' must be specified."
        )
    half = len(words) // 2
    options.streams = [
        (name.decode("utf-8", "replace"), _checked(after, command))
        for name, after in zip(words[:half], words[half:], strict=True)
    ]
    return options


def _checked(after: bytes, command: str) -> bytes:
    if after == b"$" and command == "XREADGROUP":
        raise RedisError(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
            "history of this consumer by specifying a proper ID, or use the > ID to get new "
            "messages. The $ ID would just return an empty result set."
        )
    if after == b">" and command == "XREAD":
        raise RedisError(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
            "<consumer> option."
        )
    return after


def streams_reply(found: Map | None, session: Session) -> Reply:
    """Return what was read as the version of the protocol has it."""
    if found is None or session.version == 3:
        return found
    return [[name, entries] for name, entries in found.items()]
