"""Effects of faults on commands of Redis: an error, a late answer, or a lost connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fakebus.broker.fault import Api, Delay, Disconnect, Fail
from fakebus.clock import keep_waiting
from fakebus.redis.call import Call
from fakebus.redis.protocol import RedisError, Reply

REDIS = "redis"
_BEFORE_GROUP = {"XACK": 2, "XAUTOCLAIM": 2, "XCLAIM": 2, "XPENDING": 2, "XREADGROUP": 2}
"""How many words stand before the group's name; three in commands of two words."""


class LostConnection(Exception):  # noqa: N818 - an instruction, not an error
    """The client's connection is to be closed without an answer."""


async def carry_out(
    call: Call, name: str, words: Sequence[bytes], run: Callable[[], Awaitable[Reply]]
) -> Reply:
    """Carry out a command by ``run``, or what a fault makes of it.

    Raises:
        LostConnection: the client is not to be answered.
        RedisError: the command fails.
    """
    effect = call.broker.faults.find(
        Api(REDIS, name),
        call.session.name,
        lambda: _streams_of(name, words),
        lambda: _groups_of(name, words),
    )
    if isinstance(effect, Fail):
        raise RedisError(f"ERR {effect.error.name}: {effect.error.text}")
    if effect == Disconnect(before=True):
        raise LostConnection
    try:
        reply = await run()
    except RedisError as failure:
        reply = failure
    if isinstance(effect, Disconnect):
        raise LostConnection
    if isinstance(effect, Delay):
        await keep_waiting(call.broker.clock, effect.seconds)
    return reply


def _streams_of(name: str, words: Sequence[bytes]) -> set[str]:
    upper = [word.upper() for word in words]
    if name in ("XREAD", "XREADGROUP") and b"STREAMS" in upper:
        names = words[upper.index(b"STREAMS") + 1 :]
        return {_text(word) for word in names[: len(names) // 2]}
    at = 2 if " " in name else 1
    return {_text(word) for word in words[at : at + 1]}


def _groups_of(name: str, words: Sequence[bytes]) -> set[str]:
    at = 3 if " " in name else _BEFORE_GROUP.get(name, len(words))
    return {_text(word) for word in words[at : at + 1]}


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
