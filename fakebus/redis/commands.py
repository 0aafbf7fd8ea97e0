"""The commands that clients of an event bus on Redis Streams use, and a few to look around.

Source: https://redis.io/docs/latest/commands/ (group "stream"), and what edx-event-bus-redis,
redis-py and redis-cli send.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from fakebus import __version__
from fakebus.redis.arguments import Arguments
from fakebus.redis.entry_commands import EntryCommands
from fakebus.redis.group_commands import GroupCommands
from fakebus.redis.protocol import Map, RedisError, Reply, Status
from fakebus.redis.reading import OK, Session

Handler = Callable[["Commands", Session, Arguments], Awaitable[Reply] | Reply]


class Commands(EntryCommands, GroupCommands):
    """Carries out commands."""

    async def run(self, session: Session, words: Sequence[bytes]) -> Reply:
        """Return the answer to one request."""
        name = words[0].upper().decode("ascii", "replace")
        handler = _HANDLERS.get(name)
        if handler is None:
            return RedisError(f"ERR unknown command '{name[:40]}': fakebus has Redis Streams only")
        arguments = Arguments(name, words[1:])
        try:
            reply = handler(self, session, arguments)
            return await reply if isinstance(reply, Awaitable) else reply
        except RedisError as failure:
            return failure

    def hello(self, session: Session, arguments: Arguments) -> Reply:
        """Agree on the version of the protocol."""
        if arguments.left:
            version = arguments.number()
            if version not in (2, 3):
                raise RedisError("NOPROTO unsupported protocol version")
            session.version = version
        return Map(
            server="redis",
            version="7.4.0",
            proto=session.version,
            id=1,
            mode="standalone",
            role="master",
            modules=[],
        )

    def client(self, session: Session, arguments: Arguments) -> Reply:
        """Take a connection's name and properties."""
        action = arguments.word()
        if action == "SETNAME":
            session.name = arguments.text()
        elif action == "GETNAME":
            return session.name or None
        elif action == "ID":
            return 1
        elif action not in ("SETINFO", "NO-EVICT", "NO-TOUCH"):
            raise RedisError(f"ERR unknown subcommand '{action}'")
        return OK

    def ping(self, session: Session, arguments: Arguments) -> Reply:
        """Answer."""
        return arguments.raw() if arguments.left else Status("PONG")

    def echo(self, session: Session, arguments: Arguments) -> Reply:
        """Say the same."""
        return arguments.raw()

    def accept(self, session: Session, arguments: Arguments) -> Reply:
        """Take what makes no difference here: a password, a database's number."""
        return OK

    def quit(self, session: Session, arguments: Arguments) -> Reply:
        """Say good-bye."""
        session.closing = True
        return OK

    def info(self, session: Session, arguments: Arguments) -> Reply:
        """Describe the server."""
        return (
            f"# Server\r\nredis_version:7.4.0\r\nfakebus_version:{__version__}\r\n"
            f"redis_mode:standalone\r\n# Keyspace\r\ndb0:keys={len(self._broker.topics)}\r\n"
        )

    def command(self, session: Session, arguments: Arguments) -> Reply:
        """List no details of commands; redis-cli asks when it starts."""
        return []

    def exists(self, session: Session, arguments: Arguments) -> Reply:
        """Count the streams that there are."""
        return sum(self._streams.topic(name) is not None for name in arguments.rest_as_text())

    def type(self, session: Session, arguments: Arguments) -> Reply:
        """Say what a key is."""
        return Status("none" if self._streams.topic(arguments.text()) is None else "stream")

    def keys(self, session: Session, arguments: Arguments) -> Reply:
        """Name the streams that fit a pattern."""
        pattern = arguments.text() if arguments.left else "*"
        names = sorted(topic.name for topic in self._broker.topics)
        return [name for name in names if fnmatchcase(name, pattern)]


_HANDLERS: Mapping[str, Handler] = {
    "AUTH": Commands.accept,
    "CLIENT": Commands.client,
    "COMMAND": Commands.command,
    "ECHO": Commands.echo,
    "EXISTS": Commands.exists,
    "HELLO": Commands.hello,
    "INFO": Commands.info,
    "KEYS": Commands.keys,
    "PING": Commands.ping,
    "QUIT": Commands.quit,
    "SELECT": Commands.accept,
    "TYPE": Commands.type,
    "XACK": Commands.xack,
    "XADD": Commands.xadd,
    "XAUTOCLAIM": Commands.xautoclaim,
    "XCLAIM": Commands.xclaim,
    "XDEL": Commands.xdel,
    "XGROUP": Commands.xgroup,
    "XINFO": Commands.xinfo,
    "XLEN": Commands.xlen,
    "XPENDING": Commands.xpending,
    "XRANGE": Commands.xrange,
    "XREAD": Commands.xread,
    "XREADGROUP": Commands.xreadgroup,
    "XREVRANGE": Commands.xrevrange,
    "XTRIM": Commands.xtrim,
}
