"""The commands that clients of an event bus on Redis Streams use, and a few to look around.

Source: https://redis.io/docs/latest/commands/ (group "stream"), and what edx-event-bus-redis,
redis-py and redis-cli send.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fakebus.broker.broker import Broker
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.redis import (
    connection_commands,
    entry_commands,
    group_commands,
    info_commands,
    pending_commands,
)
from fakebus.redis.arguments import Arguments
from fakebus.redis.call import Call, Session
from fakebus.redis.fault_effects import REDIS, carry_out
from fakebus.redis.groups import StreamGroups
from fakebus.redis.protocol import RedisError, Reply
from fakebus.redis.streams import Streams

_NOT_STORED = ErrorCode.KAFKA_STORAGE_ERROR

Handler = Callable[[Call], Awaitable[Reply] | Reply]

_COMMANDS: Mapping[str, tuple[Handler, int]] = {
    # Name, handler, and as in Redis's own table the number of words, the name included; a
    # negative one is the least.
    "AUTH": (connection_commands.auth, -2),
    "CLIENT GETNAME": (connection_commands.client_getname, 2),
    "CLIENT ID": (connection_commands.client_id, 2),
    "CLIENT NO-EVICT": (connection_commands.accept, 3),
    "CLIENT NO-TOUCH": (connection_commands.accept, 3),
    "CLIENT SETINFO": (connection_commands.accept, 4),
    "CLIENT SETNAME": (connection_commands.client_setname, 3),
    "COMMAND": (connection_commands.command, -1),
    "DEL": (connection_commands.delete, -2),
    "ECHO": (connection_commands.echo, 2),
    "EXISTS": (connection_commands.exists, -2),
    "HELLO": (connection_commands.hello, -1),
    "INFO": (connection_commands.info, -1),
    "KEYS": (connection_commands.keys, 2),
    "PING": (connection_commands.ping, -1),
    "QUIT": (connection_commands.quit, -1),
    "SELECT": (connection_commands.select, 2),
    "TYPE": (connection_commands.type_of, 2),
    "UNLINK": (connection_commands.delete, -2),
    "XACK": (pending_commands.xack, -4),
    "XADD": (entry_commands.xadd, -5),
    "XAUTOCLAIM": (pending_commands.xautoclaim, -6),
    "XCLAIM": (pending_commands.xclaim, -6),
    "XDEL": (entry_commands.xdel, -3),
    "XGROUP CREATE": (group_commands.create, -5),
    "XGROUP CREATECONSUMER": (group_commands.create_consumer, 5),
    "XGROUP DELCONSUMER": (group_commands.delete_consumer, 5),
    "XGROUP DESTROY": (group_commands.destroy, 4),
    "XGROUP SETID": (group_commands.set_id, -5),
    "XINFO CONSUMERS": (info_commands.consumers, 4),
    "XINFO GROUPS": (info_commands.groups, 3),
    "XINFO STREAM": (info_commands.stream, -3),
    "XLEN": (entry_commands.xlen, 2),
    "XPENDING": (pending_commands.xpending, -3),
    "XRANGE": (entry_commands.xrange, -4),
    "XREAD": (entry_commands.xread, -4),
    "XREADGROUP": (group_commands.xreadgroup, -7),
    "XREVRANGE": (entry_commands.xrevrange, -4),
    "XTRIM": (entry_commands.xtrim, -4),
}
_CONTAINERS = frozenset(name.partition(" ")[0] for name in _COMMANDS if " " in name)


class Commands:
    """Table of commands, carried out on the streams of one bus.

    Args:
        broker: the bus.
        streams: its topics.
        groups: the groups of all streams.
    """

    def __init__(self, broker: Broker, streams: Streams, groups: StreamGroups) -> None:
        broker.faults.serve(REDIS, _COMMANDS)
        self._broker = broker
        self._streams = streams
        self._groups = groups

    async def run(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Return the answer to one request."""
        try:
            name, behind = _find(words)
            arguments = Arguments(words[behind:])
            call = Call(self._broker, self._streams, self._groups, session, arguments)
            if self._broker.faults.active:
                return await carry_out(call, name, words, lambda: _reply(name, call))
            return await _reply(name, call)
        except RedisError as failure:
            return failure


async def _reply(name: str, call: Call) -> Reply:
    try:
        reply = _COMMANDS[name][0](call)
        return await reply if isinstance(reply, Awaitable) else reply
    except (StorageError, BrokerError) as failure:
        # What cannot be stored is told as Redis does whose append-only file cannot be written.
        refused = getattr(failure, "error_code", _NOT_STORED) is not _NOT_STORED
        raise RedisError(f"{'ERR' if refused else 'MISCONF'} {failure}") from failure


def _find(words: Sequence[bytes]) -> tuple[str, int]:
    """Return the name of a request's command and how many words it has."""
    name, behind = words[0].upper().decode("ascii", "replace"), 1
    if name in _CONTAINERS and len(words) > 1:
        action = words[1].decode("ascii", "replace")
        if f"{name} {action.upper()}" not in _COMMANDS:
            raise RedisError(f"ERR unknown subcommand '{action[:40]}'. Try {name} HELP.")
        name, behind = f"{name} {action.upper()}", 2
    if name in _CONTAINERS:
        raise _wrong_number(name)
    if name not in _COMMANDS:
        raise RedisError(f"ERR unknown command '{name[:40]}': fakebus has Redis Streams only")
    arity = _COMMANDS[name][1]
    if len(words) < abs(arity) or len(words) > arity > 0:
        raise _wrong_number(name)
    return name, behind


def _wrong_number(name: str) -> RedisError:
    shown = name.lower().replace(" ", "|")
    return RedisError(f"ERR wrong number of arguments for '{shown}' command")
