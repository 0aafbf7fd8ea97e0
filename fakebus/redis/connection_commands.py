"""Commands on the connection, and those that look around."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from fakebus import __version__
from fakebus.broker.topic_requests import TopicToDelete
from fakebus.errors import BrokerError, ErrorCode
from fakebus.redis.arguments import Arguments
from fakebus.redis.call import OK, Call
from fakebus.redis.protocol import Map, RedisError, Reply, Status

REDIS_VERSION = "7.4.0"
"""The Redis whose streams are served."""
_MAX_PATTERN = 1000
_DIFFERENT = re.compile(r"\\(.)|\[\^", re.DOTALL)


def hello(call: Call) -> Reply:
    """Agree on the version of the protocol."""
    arguments, session = call.arguments, call.session
    version, name = session.version, session.name
    if arguments.left:
        version = arguments.integer("ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise RedisError("NOPROTO unsupported protocol version")
    while arguments.left:
        option = arguments.word()
        if option == "AUTH" and arguments.left >= 2:
            # There are no passwords here; see the documentation.
            arguments.raw(), arguments.raw()
        elif option == "SETNAME" and arguments.left:
            name = _name(arguments)
        else:
            raise RedisError(f"ERR Syntax error in HELLO option '{option[:40]}'")
    session.version, session.name = version, name
    return Map(
        server="redis",
        version=REDIS_VERSION,
        proto=session.version,
        id=session.id,
        mode="standalone",
        role="master",
        modules=[],
    )


def auth(call: Call) -> Reply:
    """Take a password, which nothing here has."""
    call.arguments.raw()
    if call.arguments.left:
        call.arguments.raw()
    call.arguments.end()
    return OK


def select(call: Call) -> Reply:
    """Go to a database, of which there is one."""
    if call.arguments.integer() != 0:
        raise RedisError("ERR DB index is out of range: fakebus has database 0 only")
    return OK


def accept(call: Call) -> Reply:
    """Take what tells of the client, or concerns memory that is not evicted here."""
    return OK


def client_setname(call: Call) -> Reply:
    """Name the connection."""
    call.session.name = _name(call.arguments)
    return OK


def client_getname(call: Call) -> Reply:
    """Answer the connection's name."""
    return call.session.name or None


def client_id(call: Call) -> Reply:
    """Answer the connection's number."""
    return call.session.id


def ping(call: Call) -> Reply:
    """Answer."""
    message = call.arguments.raw() if call.arguments.left else Status("PONG")
    if call.arguments.left:
        raise RedisError("ERR wrong number of arguments for 'ping' command")
    return message


def echo(call: Call) -> Reply:
    """Say the same."""
    return call.arguments.raw()


def quit(call: Call) -> Reply:
    """Say good-bye."""
    call.session.closing = True
    return OK


def info(call: Call) -> Reply:
    """Describe the server, or the sections that are asked for."""
    sections = {
        "server": f"redis_version:{REDIS_VERSION}\r\nfakebus_version:{__version__}\r\n"
        "redis_mode:standalone\r\n",
        "keyspace": f"db0:keys={len(call.broker.topics)}\r\n",
    }
    wanted = {name.lower() for name in call.arguments.rest_as_text()}
    if not wanted or wanted & {"all", "default", "everything"}:
        wanted = set(sections)
    shown = (f"# {name.title()}\r\n{text}" for name, text in sections.items() if name in wanted)
    return "\r\n".join(shown)


def command(call: Call) -> Reply:
    """List no details of commands; redis-cli asks when it starts."""
    if not call.arguments.left:
        return []
    if call.arguments.word() != "DOCS":
        raise RedisError("ERR fakebus has no details of commands")
    return Map()


def exists(call: Call) -> Reply:
    """Count the streams that there are."""
    return sum(call.streams.topic(name) is not None for name in call.arguments.rest_as_text())


async def delete(call: Call) -> Reply:
    """Delete streams, with the topics that they are."""
    names = dict.fromkeys(call.arguments.text() for _ in range(call.arguments.left))
    wanted = [TopicToDelete(name=name) for name in names if call.streams.topic(name) is not None]
    deleted = await call.broker.topic_admin.delete_topics(wanted)
    for each in deleted:
        if each.error_code is not ErrorCode.NONE:
            problem = each.error_message or each.error_code.text
            raise BrokerError(each.error_code, f"{each.name}: {problem}")
    return len(deleted)


def type_of(call: Call) -> Reply:
    """Say what a key is."""
    return Status("none" if call.topic() is None else "stream")


def keys(call: Call) -> Reply:
    """Name the streams that fit a pattern."""
    pattern = _as_shell_pattern(call.arguments.text())
    names = sorted(topic.name for topic in call.broker.topics)
    return [name for name in names if fnmatchcase(name, pattern)]


def _name(arguments: Arguments) -> str:
    name = arguments.text()
    if not all("!" <= character <= "~" for character in name):
        raise RedisError("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


def _as_shell_pattern(pattern: str) -> str:
    """Return a pattern of Redis as Python's fnmatch has it, which takes no time to speak of."""
    if len(pattern) > _MAX_PATTERN:
        raise RedisError(f"ERR a pattern has at most {_MAX_PATTERN} characters")
    return _DIFFERENT.sub(
        lambda found: {None: "[!", "*": "[*]", "?": "[?]", "[": "[[]"}.get(found[1], found[1]),
        pattern,
    )
