"""Conversations with the answers that Redis 7.0 gives to them, word for word.

With ``FAKEBUS_TEST_REDIS=redis://…`` they are held against that server too, whose streams of
these names are deleted; it must be a 7.0, since the words of errors change.
"""

from __future__ import annotations

import ast
import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from fakebus.app import BusThread
from fakebus.redis.commands import _COMMANDS as COMMANDS
from tests.unit.redis.conftest import blocked_reads

REAL = os.environ.get("FAKEBUS_TEST_REDIS")
_ID = re.compile(rb"\d{10,}-\d+")

Raw = Any


class Side:
    """Redis or a bus, as conversations see it: ids become ``$0``, ``$1`` as they are given out."""

    def __init__(self, url: str, stream: str) -> None:
        self.client = redis.Redis.from_url(url, protocol=2)
        # Answers as they come: what redis-py makes of them hides half.
        self.client.response_callbacks.clear()
        self.url = url
        self.stream = stream
        self.ids: list[bytes] = []

    def ask(self, line: str) -> Raw:
        words: list[str | bytes] = []
        for word in line.split():
            found = re.fullmatch(r"(\(?)\$(\d+)", word)
            if found:
                words.append(found[1].encode() + self.ids[int(found[2])])
            else:
                words.append({"q": self.stream, '""': ""}.get(word, word))
        try:
            answer = self.client.execute_command(*words)
        except redis.ResponseError as error:
            return f"{error}".replace(self.stream, "q")
        if words[0] == "XADD" and isinstance(answer, bytes):
            self.ids.append(answer)
        return self._plain(answer)

    def blocked_clients(self, running: BusThread) -> int:
        if self.url == REAL:
            info = self.client.execute_command("INFO", "clients").decode()
            return int(info.partition("blocked_clients:")[2].split()[0])
        return blocked_reads(running)

    def _plain(self, answer: Raw) -> Raw:
        if isinstance(answer, list | tuple):
            return [self._plain(item) for item in answer]
        if isinstance(answer, bytes):
            if answer in self.ids:
                return f"${self.ids.index(answer)}"
            return answer.decode().replace(self.stream, "q")
        return answer


@pytest.fixture(params=["bus", "redis"] if REAL else ["bus"])
def side(request: pytest.FixtureRequest, running: BusThread, stream: str) -> Iterator[Side]:
    url = running.bus.redis_urls[0] if request.param == "bus" else str(REAL)
    side = Side(url, stream[:60])
    if request.param == "redis":
        side.client.delete(side.stream)
    yield side
    side.client.close()


def play(side: Side, conversation: str) -> None:
    """Hold a conversation: a request, an arrow and the answer as Python writes it."""
    for line in filter(str.strip, conversation.splitlines()):
        request, arrow, expected = (part.strip() for part in line.partition("=>"))
        answer = side.ask(request)
        if arrow:
            assert answer == ast.literal_eval(expected), request


NOT_AS_REDIS = {"AUTH", "COMMAND"}
"""A bus has no password, and takes any; it has fewer commands."""
NEWER = {"CLIENT NO-TOUCH", "CLIENT SETINFO"}
"""Those that Redis 7.0 does not know yet."""


def test_every_command_is_in_a_conversation() -> None:
    said = Path(__file__).read_text()
    held = {name for name in COMMANDS if re.search(rf"\n *{name} |[(\"{{]{name}[\" ]", said)}
    assert held - NOT_AS_REDIS - NEWER == set(COMMANDS) - NOT_AS_REDIS - NEWER


def test_what_a_connection_asks_about_itself_and_its_keys(side: Side) -> None:
    play(side, "TYPE q => 'none'\nXADD q * v 1\nTYPE q => 'stream'")
    assert side.ask("CLIENT ID") > 0
    play(side, "CLIENT NO-EVICT ON => 'OK'")
    own = side.client.connection_pool.get_connection()
    own.send_command("QUIT")
    assert own.read_response() == b"OK"
    with pytest.raises(redis.ConnectionError):
        own.read_response()
    side.client.connection_pool.release(own)


ONE = """
XADD q * v 1
XADD q * v 2
XADD q * v 3
XGROUP CREATE q g 0 => 'OK'
"""


def pending(side: Side, group: str = "g") -> list[tuple[str, str, int]]:
    return [(row[0], row[1], row[3]) for row in side.ask(f"XPENDING q {group} - + 10")]


def idle_ms(side: Side) -> int:
    return int(side.ask("XPENDING q g - + 10")[0][2])


def test_reading_what_is_pending_again_counts_as_a_delivery(side: Side) -> None:
    play(side, ONE + "XREADGROUP GROUP g c COUNT 2 STREAMS q >")
    play(side, "XCLAIM q g c 0 $0 IDLE 600000 JUSTID => ['$0']")
    assert idle_ms(side) >= 600_000
    play(
        side,
        "XREADGROUP GROUP g c STREAMS q 0 => [['q', [['$0', ['v', '1']], ['$1', ['v', '2']]]]]",
    )
    assert idle_ms(side) < 600_000
    play(side, "XREADGROUP GROUP g c COUNT 1 STREAMS q 0 => [['q', [['$0', ['v', '1']]]]]")
    # Behind an id, and for another consumer, there is nothing to count.
    play(side, "XREADGROUP GROUP g c STREAMS q $1 => [['q', []]]")
    play(side, "XREADGROUP GROUP g other STREAMS q 0 => [['q', []]]")
    assert pending(side) == [("$0", "c", 3), ("$1", "c", 2)]
    play(side, "XREADGROUP GROUP g c STREAMS q $0 => [['q', [['$1', ['v', '2']]]]]")
    assert pending(side) == [("$0", "c", 3), ("$1", "c", 3)]


def test_claims_set_the_counter_and_the_time_as_they_are_told(side: Side) -> None:
    play(side, ONE + "XREADGROUP GROUP g c COUNT 1 STREAMS q >")
    play(side, "XCLAIM q g d 0 $0 RETRYCOUNT 7 IDLE 60000 => [['$0', ['v', '1']]]")
    assert pending(side) == [("$0", "d", 7)]
    assert 60_000 <= idle_ms(side) < 90_000
    play(side, "XCLAIM q g e 60000 $0 JUSTID => ['$0']")
    assert pending(side) == [("$0", "e", 7)]
    play(side, "XCLAIM q g e 0 $0 TIME 1000 => [['$0', ['v', '1']]]")
    assert pending(side) == [("$0", "e", 8)]
    assert idle_ms(side) > 40 * 365 * 86_400_000
    # In the future there is nothing: then it is now.
    play(side, "XCLAIM q g e 0 $0 IDLE -100000 RETRYCOUNT 0 JUSTID => ['$0']")
    assert pending(side) == [("$0", "e", 0)]
    assert 0 <= idle_ms(side) < 100_000
    play(side, "XCLAIM q g f 100000 $0 => []")
    play(side, "XCLAIM q g f 0 $1 => []")
    assert pending(side) == [("$0", "e", 0)]


def test_a_claim_can_force_what_was_not_delivered_and_move_the_group(side: Side) -> None:
    play(side, ONE)
    play(side, "XCLAIM q g d 100000 $1 5-5 FORCE => [['$1', ['v', '2']]]")
    assert pending(side) == [("$1", "d", 2)]
    play(side, "XCLAIM q g d 0 $0 FORCE JUSTID RETRYCOUNT 9 LASTID $1 => ['$0']")
    assert pending(side) == [("$0", "d", 9), ("$1", "d", 2)]
    play(side, "XCLAIM q g d 0 $0 LASTID $0 JUSTID => ['$0']")
    play(side, "XREADGROUP GROUP g c STREAMS q > => [['q', [['$2', ['v', '3']]]]]")


def test_autoclaim_goes_on_at_its_cursor(side: Side) -> None:
    play(side, ONE + "XREADGROUP GROUP g c STREAMS q >")
    play(
        side,
        """
        XAUTOCLAIM q g d 0 - COUNT 2 => ['$2', [['$0', ['v', '1']], ['$1', ['v', '2']]], []]
        XAUTOCLAIM q g d 0 ($0 JUSTID COUNT 1 => ['$2', ['$1'], []]
        XAUTOCLAIM q g d 0 $2 => ['0-0', [['$2', ['v', '3']]], []]
        XAUTOCLAIM q g d 100000 0 => ['0-0', [], []]
        XAUTOCLAIM q g d -5 0 COUNT 1 JUSTID => ['$1', ['$0'], []]
        """,
    )
    assert pending(side) == [("$0", "d", 2), ("$1", "d", 2), ("$2", "d", 2)]


def test_what_was_trimmed_is_not_claimed_and_not_delivered_again(side: Side) -> None:
    play(
        side,
        ONE
        + """
        XREADGROUP GROUP g c STREAMS q >
        XTRIM q MINID $2 => 2
        XREADGROUP GROUP g c COUNT 2 STREAMS q 0 => [['q', [['$0', None], ['$1', None]]]]
        XCLAIM q g d 0 $0 => []
        XAUTOCLAIM q g d 0 0 JUSTID => ['0-0', ['$2'], ['$1']]
        """,
    )
    assert pending(side) == [("$2", "d", 1)]


def test_groups_are_described_with_what_they_have_read(side: Side) -> None:
    fields = "name", "consumers", "pending", "last-delivered-id", "entries-read", "lag"

    def groups() -> list[list[Raw]]:
        described = [
            dict(zip(row[::2], row[1::2], strict=True)) for row in side.ask("XINFO GROUPS q")
        ]
        return [[row[name] for name in fields] for row in described]

    play(side, ONE + "XGROUP CREATE q end $ => 'OK'")
    assert sorted(groups()) == [["end", 0, 0, "$2", None, 0], ["g", 0, 0, "0-0", None, 3]]
    play(side, "XREADGROUP GROUP g c COUNT 2 STREAMS q >\nXADD q * v 4")
    play(side, "XACK q g $0 => 1\nXREADGROUP GROUP end c NOACK STREAMS q >")
    assert sorted(groups()) == [["end", 1, 0, "$3", 4, 0], ["g", 1, 1, "$1", 2, 2]]
    play(side, "XGROUP SETID q g $ => 'OK'\nXGROUP DESTROY q end => 1")
    assert [row[3] for row in groups()] == ["$3"]
    assert [row[5] for row in groups()] == [0]


def test_an_empty_stream_is_described(side: Side) -> None:
    play(side, "XGROUP CREATE q g $ MKSTREAM => 'OK'\nXGROUP CREATE q h 0 => 'OK'")
    for row in side.ask("XINFO GROUPS q"):
        assert row[-6:] == ["last-delivered-id", "0-0", "entries-read", None, "lag", 0]
    described = side.ask("XINFO STREAM q")
    found = dict(zip(described[::2], described[1::2], strict=True))
    assert (found["length"], found["entries-added"], found["groups"]) == (0, 0, 2)
    assert found["recorded-first-entry-id"] == found["last-generated-id"] == "0-0"
    assert found["first-entry"] is found["last-entry"] is None


def test_consumers_are_described(side: Side) -> None:
    play(side, ONE + "XGROUP CREATECONSUMER q g a => 1\nXGROUP CREATECONSUMER q g a => 0")
    play(side, "XREADGROUP GROUP g b COUNT 2 STREAMS q >\nXREADGROUP GROUP g c STREAMS q 0")
    rows = [dict(zip(row[::2], row[1::2], strict=True)) for row in side.ask("XINFO CONSUMERS q g")]
    assert [(row["name"], row["pending"]) for row in rows] == [("a", 0), ("b", 2), ("c", 0)]
    play(side, "XGROUP DELCONSUMER q g b => 2\nXGROUP DELCONSUMER q g nobody => 0")
    assert pending(side) == []


def test_streams_are_trimmed_by_length_and_by_id(side: Side) -> None:
    play(
        side,
        """
        XADD q * v 0
        XADD q MAXLEN = 1 * v 1
        XLEN q => 1
        XADD q MAXLEN ~ 100 LIMIT 10 * v 2
        XADD q NOMKSTREAM MINID $1 * v 3
        XLEN q => 3
        XADD q MAXLEN 2 NOMKSTREAM * v 4
        XRANGE q - + => [['$3', ['v', '3']], ['$4', ['v', '4']]]
        XADD q MINID $4 * v 5
        XRANGE q - + => [['$4', ['v', '4']], ['$5', ['v', '5']]]
        XTRIM q MINID = ($5 => 'Invalid stream ID specified as stream command argument'
        XTRIM q MINID $5 => 1
        XTRIM q MINID 0 => 0
        XTRIM q MINID ~ 1 LIMIT 5 => 0
        XTRIM q MINID 99999999999999 => 1
        XTRIM q MAXLEN 0 => 0
        XLEN q => 0
        XADD nowhere NOMKSTREAM MAXLEN 5 * a b => None
        XTRIM nowhere MAXLEN 5 => 0
        """,
    )


def test_ranges_count_and_turn_round(side: Side) -> None:
    play(
        side,
        ONE
        + """
        XRANGE q - + COUNT 1 COUNT 2 => [['$0', ['v', '1']], ['$1', ['v', '2']]]
        XRANGE q ($0 ($2 => [['$1', ['v', '2']]]
        XRANGE q + - => []
        XREVRANGE q + - COUNT 1 => [['$2', ['v', '3']]]
        XREVRANGE q ($2 $0 => [['$1', ['v', '2']], ['$0', ['v', '1']]]
        XREVRANGE q - + => []
        XRANGE q 5-5 6-6 => []
        XRANGE q - (18446744073709551615-18446744073709551615 COUNT 1 => [['$0', ['v', '1']]]
        XREAD COUNT 1 STREAMS q $0 => [['q', [['$1', ['v', '2']]]]]
        XREAD COUNT -1 STREAMS q $1 => [['q', [['$2', ['v', '3']]]]]
        """,
    )


def test_new_and_pending_entries_come_in_one_answer(side: Side) -> None:
    other = f"{side.stream}-2"
    if side.client.exists(other):
        side.client.delete(other)
    play(side, ONE)
    side.client.execute_command("XGROUP", "CREATE", other, "g", "0", "MKSTREAM")
    answer = side.ask(f"XREADGROUP GROUP g c COUNT 1 BLOCK 10 STREAMS q {other} > 0")
    assert answer == [["q", [["$0", ["v", "1"]]]], ["q-2", []]]


LIMIT_ALONE = "syntax error, LIMIT cannot be used without specifying a trimming strategy"
LIMIT_EXACT = "syntax error, LIMIT cannot be used without the special ~ option"
BOTH = "syntax error, MAXLEN and MINID options at the same time are not compatible"
INVALID_ID = "Invalid stream ID specified as stream command argument"
NO_INTEGER = "value is not an integer or out of range"
NO_KEY = (
    "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
    "MKSTREAM option to create an empty stream automatically."
)

MISTAKES = {
    "XADD q MAXLEN 5 LIMIT 5 * a b": LIMIT_EXACT,
    "XADD q MAXLEN ~ 5 LIMIT -1 * a b": "The LIMIT argument must be >= 0.",
    "XADD q MAXLEN -5 * a b": "The MAXLEN argument must be >= 0.",
    "XADD q MAXLEN 5 MINID 5 * a b": BOTH,
    "XADD q LIMIT 5 * a b": LIMIT_ALONE,
    "XADD q MINID x * a b": INVALID_ID,
    "XADD q MAXLEN ~ * a b": NO_INTEGER,
    "XADD q MAXLEN": "wrong number of arguments for 'xadd' command",
    "XADD q * a": "wrong number of arguments for 'xadd' command",
    "XADD q * a b c": "wrong number of arguments for 'xadd' command",
    "XTRIM q MAXLEN 5 LIMIT 5": LIMIT_EXACT,
    "XTRIM q LIMIT 4": LIMIT_ALONE,
    "XTRIM q MAXLEN 5 MINID 4": BOTH,
    "XTRIM q FOO 5": "syntax error",
    "XTRIM q MAXLEN 5 foo": "syntax error",
    "XTRIM q MAXLEN": "wrong number of arguments for 'xtrim' command",
    "XCLAIM q g d 0 $0 BOGUS": "Unrecognized XCLAIM option 'BOGUS'",
    "XCLAIM q g d 0 $0 IDLE": "Unrecognized XCLAIM option 'IDLE'",
    "XCLAIM q g d x $0": "Invalid min-idle-time argument for XCLAIM",
    "XCLAIM q g d 0": "wrong number of arguments for 'xclaim' command",
    "XCLAIM q g d 0 $0 RETRYCOUNT x": "Invalid RETRYCOUNT option argument for XCLAIM",
    "XCLAIM q g d 0 $0 TIME x": "Invalid TIME option argument for XCLAIM",
    "XCLAIM q g d 0 $0 LASTID x": INVALID_ID,
    "XCLAIM q nope d 0 $0": "NOGROUP No such key 'q' or consumer group 'nope'",
    "XAUTOCLAIM q g d 0 0 COUNT 0": "COUNT must be > 0",
    "XAUTOCLAIM q g d 0 0 FOO": "syntax error",
    "XAUTOCLAIM q g d x 0": "Invalid min-idle-time argument for XAUTOCLAIM",
    "XAUTOCLAIM q g d 0 x": INVALID_ID,
    "XAUTOCLAIM nokey g d 0 0": "NOGROUP No such key 'nokey' or consumer group 'g'",
    "XPENDING q g -": "syntax error",
    "XPENDING q g - +": "syntax error",
    "XPENDING q g - + x": NO_INTEGER,
    "XPENDING q g IDLE x - + 1": NO_INTEGER,
    "XPENDING q g FOO": "syntax error",
    "XPENDING nokey g": "NOGROUP No such key 'nokey' or consumer group 'g'",
    "XACK q g x": INVALID_ID,
    "XACK q g": "wrong number of arguments for 'xack' command",
    "XRANGE q - + COUNT": "syntax error",
    "XRANGE q - + FOO 1": "syntax error",
    "XRANGE q (- +": INVALID_ID,
    "XRANGE q - 18446744073709551616": INVALID_ID,
    "XREAD NOACK STREAMS q 0": "The NOACK option is only supported by XREADGROUP. You called XREAD "
    "instead.",
    "XREAD GROUP g c STREAMS q 0": "The GROUP option is only supported by XREADGROUP. You called "
    "XREAD instead.",
    "XREAD STREAMS q >": "The > ID can be specified only when calling XREADGROUP using the GROUP "
    "<group> <consumer> option.",
    "XREAD BLOCK -1 STREAMS q 0": "timeout is negative",
    "XREAD BLOCK x STREAMS q 0": "timeout is not an integer or out of range",
    "XREAD FOO STREAMS q 0": "syntax error",
    "XREAD STREAMS q": "wrong number of arguments for 'xread' command",
    "XREADGROUP GROUP g c STREAMS q x": INVALID_ID,
    "XREADGROUP GROUP nope c STREAMS q >": "NOGROUP No such key 'q' or consumer group 'nope' in "
    "XREADGROUP with GROUP option",
    "DEL": "wrong number of arguments for 'del' command",
    "XREADGROUP STREAMS q 0": "wrong number of arguments for 'xreadgroup' command",
    "XGROUP": "wrong number of arguments for 'xgroup' command",
    "XGROUP FOO q g": "unknown subcommand 'FOO'. Try XGROUP HELP.",
    "XGROUP CREATE q g 0": "BUSYGROUP Consumer Group name already exists",
    "XGROUP CREATE q h x": INVALID_ID,
    "XGROUP CREATE nokey h x MKSTREAM": INVALID_ID,
    "XGROUP CREATE q h": "wrong number of arguments for 'xgroup|create' command",
    "XGROUP CREATE q h 0 FOO": "unknown subcommand or wrong number of arguments for 'CREATE'. Try "
    "XGROUP HELP.",
    "XGROUP SETID q g 0 FOO": "unknown subcommand or wrong number of arguments for 'SETID'. Try "
    "XGROUP HELP.",
    "XGROUP SETID nokey g 0": NO_KEY,
    "XGROUP SETID q nog 0": "NOGROUP No such consumer group 'nog' for key name 'q'",
    "XGROUP DESTROY nokey g": NO_KEY,
    "XGROUP CREATECONSUMER q nog c": "NOGROUP No such consumer group 'nog' for key name 'q'",
    "XINFO": "wrong number of arguments for 'xinfo' command",
    "XINFO GROUPS": "wrong number of arguments for 'xinfo|groups' command",
    "XINFO GROUPS nokey": "no such key",
    "XINFO CONSUMERS q nog": "NOGROUP No such consumer group 'nog' for key name 'q'",
    "XINFO FOO q": "unknown subcommand 'FOO'. Try XINFO HELP.",
    "XDEL q $0 x": INVALID_ID,
    "XLEN": "wrong number of arguments for 'xlen' command",
    "ECHO a b": "wrong number of arguments for 'echo' command",
    "PING a b": "wrong number of arguments for 'ping' command",
    "SELECT x": NO_INTEGER,
    "HELLO x": "Protocol version is not an integer or out of range",
    "HELLO 5": "NOPROTO unsupported protocol version",
    "HELLO 2 SETNAME": "Syntax error in HELLO option 'SETNAME'",
    "HELLO 2 FOO": "Syntax error in HELLO option 'FOO'",
    "KEYS": "wrong number of arguments for 'keys' command",
    "CLIENT FOO": "unknown subcommand 'FOO'. Try CLIENT HELP.",
    "CLIENT GETNAME x": "wrong number of arguments for 'client|getname' command",
    "CLIENT SETNAME a\tb": "Client names cannot contain spaces, newlines or special characters.",
}


def test_mistakes_are_told_as_redis_tells_them_and_change_nothing(side: Side) -> None:
    play(side, ONE + "XREADGROUP GROUP g c STREAMS q >")
    before = pending(side), side.ask("XRANGE q - +")
    found = {}
    for line in MISTAKES:
        words = line.replace("\t", " \t ").split(" \t ")
        if len(words) > 1:
            found[line] = _error_of(side, ["CLIENT", "SETNAME", "a\tb"])
        else:
            found[line] = str(side.ask(line)).removeprefix("ERR ")
    assert found == MISTAKES
    assert (pending(side), side.ask("XRANGE q - +")) == before
    assert side.ask("EXISTS nokey") == 0
    assert side.ask("CLIENT GETNAME") is None


def _error_of(side: Side, words: list[str]) -> str:
    with pytest.raises(redis.ResponseError) as raised:
        side.client.execute_command(*words)
    return str(raised.value)


def test_keys_are_found_by_patterns(side: Side) -> None:
    for name in ("key-a1", "key-a2", "key-b1", "key-b-"):
        side.client.xadd(name, {"a": "b"})
    play(
        side,
        r"""
        KEYS key-a? => ['key-a1', 'key-a2']
        KEYS key-[b]1 => ['key-b1']
        KEYS key-[^b]1 => ['key-a1']
        KEYS key-b\- => ['key-b-']
        KEYS key-?\* => []
        KEYS k*1* => ['key-a1', 'key-b1']
        """,
    )


def _talk(side: Side, sent: bytes) -> bytes:
    """Return what is answered until the connection is closed, or to the end of what is sent."""
    host = side.client.connection_pool.connection_kwargs
    with socket.create_connection((host["host"], host["port"]), timeout=60) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


UNBALANCED = b"-ERR Protocol error: unbalanced quotes in request\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (rb'"a b"', b"a b"),
        (rb"'a b'", b"a b"),
        (rb'""', b""),
        (rb'foo"bar baz"', b"foobar baz"),
        (rb'"\x41\n\q\\\xZZ\"\a\b\t\r"', b'A\nq\\xZZ"\x07\x08\t\r'),
        (rb"'a\'\b'", rb"a'\b"),
        (rb"a\b", rb"a\b"),
        (b"a\vb", b"a\vb"),
        (rb'"a b', None),
        (rb"'", None),
        (rb'"a"b', None),
        (rb"""'a'"b" """, None),
        (rb"a\"b", None),
        (rb'"a\"', None),
        (rb"'a\'", None),
        (rb"'a\\'", None),
    ],
)
def test_inline_commands_may_have_quotes(side: Side, line: bytes, answer: bytes | None) -> None:
    said = _talk(side, b"PING\r\nECHO " + line + b"\r\nPING\r\n")
    if answer is None:
        # What follows is not read: it might be in the quotes.
        assert said == b"+PONG\r\n" + UNBALANCED
    else:
        assert said == b"+PONG\r\n$%d\r\n%b\r\n+PONG\r\n" % (len(answer), answer)


@pytest.mark.parametrize(
    ("removal", "error"),
    [
        ("XGROUP DESTROY q g", "NOGROUP the consumer group this client was blocked on no longer"),
        ("DEL q", "UNBLOCKED the stream key no longer exists"),
        ("UNLINK q", "UNBLOCKED the stream key no longer exists"),
    ],
)
def test_a_blocked_command_ends_when_its_group_is_gone(
    side: Side, running: BusThread, removal: str, error: str
) -> None:
    play(side, ONE)
    other = f"{side.stream}-2"
    side.client.delete(other)
    side.client.execute_command("XGROUP", "CREATE", other, "g", "0", "MKSTREAM")
    play(side, "XREADGROUP GROUP g c STREAMS q >")
    words = "XREADGROUP", "GROUP", "g", "c", "BLOCK", 20_000, "STREAMS", other, side.stream, ">"
    blocked = redis.Redis.from_url(side.url)
    with closing(blocked), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(blocked.execute_command, *words, ">")
        while not side.blocked_clients(running):
            side.client.ping()
        play(side, f"{removal} => 1")
        with pytest.raises(redis.ResponseError, match=error):
            waiting.result(60)
