"""What redis-py, a client that knows nothing of Kafka, sees of the topics."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from fakebus.addresses import Address
from fakebus.app import BusThread
from fakebus.broker import turns as turns_of_the_loop
from fakebus.errors import StorageError
from fakebus.redis import streams
from fakebus.redis.entries import EntryId
from fakebus.redis.groups import Pending, StreamGroup, StreamGroups
from tests.unit.redis.conftest import Connect, blocked_reads, redis_bus


def entries(reply: Any, stream: str) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
    """Return one stream's entries of a reading command, in either protocol."""
    if not reply:
        return []
    if isinstance(reply, dict):
        return list(reply[stream.encode()][0])
    [(name, found)] = reply
    assert name == stream.encode()
    return list(found)


def test_others_get_turns_while_many_entries_are_told(
    client: redis.Redis, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        client.xadd(stream, {"n": number})
    monkeypatch.setattr(turns_of_the_loop, "SLICE_S", -1.0)
    passed, turn = 0, turns_of_the_loop.Turnstile.turn

    async def counted(turnstile: turns_of_the_loop.Turnstile) -> None:
        nonlocal passed
        passed += 1
        await turn(turnstile)

    monkeypatch.setattr(turns_of_the_loop.Turnstile, "turn", counted)
    for read in (
        lambda: client.xrange(stream),
        lambda: client.xrevrange(stream),
        lambda: entries(client.xread({stream: 0}), stream),
    ):
        passed = 0
        assert len(read()) == 20
        assert passed >= 20


def test_entries_come_back_as_they_were_added(client: redis.Redis, stream: str) -> None:
    fields = {b"name": b"Sof\xc3\xada", b"bytes": bytes(range(256)), b"empty": b""}
    entry_id = client.xadd(stream, fields)
    assert client.xrange(stream) == [(entry_id, fields)]
    assert client.xrange(stream, entry_id, entry_id) == [(entry_id, fields)]
    assert client.xlen(stream) == 1
    assert client.exists(stream, "no-such-stream") == 1
    assert client.type(stream) == b"stream"


def test_ranges_are_bounded_by_ids_and_count(client: redis.Redis, stream: str) -> None:
    ids = [client.xadd(stream, {"n": str(n)}) for n in range(5)]
    assert [entry_id for entry_id, _ in client.xrange(stream, ids[1], ids[3])] == ids[1:4]
    assert [entry_id for entry_id, _ in client.xrange(stream, count=2)] == ids[:2]
    after = client.xrange(stream, b"(" + ids[3])
    assert [entry_id for entry_id, _ in after] == ids[4:]
    assert client.xrange("no-such-stream") == []


def test_ranges_hold_what_is_between_the_ids_and_nothing_else(
    client: redis.Redis, stream: str
) -> None:
    ids = [client.xadd(stream, {"n": str(n)}) for n in range(4)]

    def found(entries: Any) -> list[bytes]:
        return [entry_id for entry_id, _ in entries]

    assert found(client.xrevrange(stream)) == ids[::-1]
    assert found(client.xrevrange(stream, ids[2], ids[0], count=2)) == [ids[2], ids[1]]
    assert found(client.xrange(stream, ids[0], b"(" + ids[2])) == ids[:2]
    assert found(client.xrange(stream, b"(" + ids[0], ids[2])) == ids[1:3]
    assert found(client.xrange(stream, ids[1], ids[1])) == [ids[1]]
    # The position is an offset that exists, but the time is another one.
    assert client.xrange(stream, "1-1", "1-1") == []
    assert client.xrange(stream, "1", "1") == []
    assert client.xrevrange("nowhere") == []


def test_a_group_delivers_each_entry_once_until_it_is_acknowledged(
    client: redis.Redis, stream: str
) -> None:
    client.xgroup_create(stream, "g", id="$", mkstream=True)
    first, second = (client.xadd(stream, {"n": str(n)}) for n in range(2))
    assert entries(client.xreadgroup("g", "a", {stream: ">"}, count=1), stream)[0][0] == first
    assert entries(client.xreadgroup("g", "b", {stream: ">"}, count=1), stream)[0][0] == second
    assert not client.xreadgroup("g", "a", {stream: ">"}, count=1)
    [pending] = client.xpending_range(stream, "g", "-", "+", 10, "a")
    assert (pending["message_id"], pending["times_delivered"]) == (first, 1)
    # What a consumer has not acknowledged it may ask for again.
    assert entries(client.xreadgroup("g", "a", {stream: "0"}), stream)[0][0] == first
    assert client.xack(stream, "g", first) == 1
    assert client.xack(stream, "g", first) == 0
    summary = client.xpending(stream, "g")
    assert (summary["pending"], summary["min"]) == (1, second)


def test_a_group_from_the_end_sees_only_what_is_new(client: redis.Redis, stream: str) -> None:
    old = client.xadd(stream, {"n": "old"})
    client.xgroup_create(stream, "new", id="$")
    client.xgroup_create(stream, "all", id="0")
    new = client.xadd(stream, {"n": "new"})
    read = entries(client.xreadgroup("new", "c", {stream: ">"}), stream)
    assert [entry_id for entry_id, _ in read] == [new]
    read = entries(client.xreadgroup("all", "c", {stream: ">"}), stream)
    assert [entry_id for entry_id, _ in read] == [old, new]
    client.xgroup_setid(stream, "new", old)
    read = entries(client.xreadgroup("new", "c", {stream: ">"}), stream)
    assert [entry_id for entry_id, _ in read] == [new]


def test_a_blocked_read_ends_with_the_next_entry(
    client: redis.Redis, connect: Connect, stream: str
) -> None:
    client.xgroup_create(stream, "g", id="$", mkstream=True)
    adding = threading.Timer(0.1, connect().xadd, (stream, {"late": "yes"}))
    adding.start()
    started = time.monotonic()
    read = entries(client.xreadgroup("g", "c", {stream: ">"}, block=100_000), stream)
    adding.join()
    assert read[0][1] == {b"late": b"yes"}
    assert time.monotonic() - started < 50


def test_a_read_waits_for_a_stream_that_is_to_come(
    running: BusThread, client: redis.Redis, connect: Connect, stream: str
) -> None:
    other = connect()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.xread, {stream: "$"}, block=20_000)
        # The others are served meanwhile.
        while blocked_reads(running) < 1:
            other.ping()
        added = other.xadd(stream, {"n": 1})
        assert [entry_id for entry_id, _ in entries(waiting.result(60), stream)] == [added]


def test_a_read_outlives_the_topic_of_its_stream(
    running: BusThread, client: redis.Redis, connect: Connect, stream: str
) -> None:
    other = connect()
    other.xadd(stream, {"n": 0})
    other.xgroup_create(stream, "g", "$")
    topics = running.bus.broker.topics

    async def delete() -> None:
        topic = topics.get(stream)
        assert topic is not None
        await topics.delete(topic)

    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(client.xread, {stream: "$"}, block=20_000)
        in_group = pool.submit(connect().xreadgroup, "g", "c", {stream: ">"}, block=20_000)
        while blocked_reads(running) < 2:
            other.ping()
        asyncio.run_coroutine_threadsafe(delete(), running.loop).result(60)
        other.ping()
        added = other.xadd(stream, {"n": 1})
        assert [entry_id for entry_id, _ in entries(reading.result(60), stream)] == [added]
        with pytest.raises(redis.ResponseError, match="UNBLOCKED the stream key no longer exists"):
            in_group.result(60)


def test_a_blocked_read_ends_with_its_time(client: redis.Redis, stream: str) -> None:
    client.xadd(stream, {"n": "1"})
    started = time.monotonic()
    assert not client.xread({stream: "$"}, block=100)
    assert time.monotonic() - started >= 0.09


def test_what_a_dead_consumer_left_is_claimed_by_another(client: redis.Redis, stream: str) -> None:
    client.xgroup_create(stream, "g", id="0", mkstream=True)
    ids = [client.xadd(stream, {"n": str(n)}) for n in range(3)]
    client.xreadgroup("g", "dead", {stream: ">"})
    cursor, claimed, deleted = client.xautoclaim(stream, "g", "heir", min_idle_time=0, count=2)
    assert [entry_id for entry_id, _ in claimed] == ids[:2]
    assert (cursor, deleted) == (ids[2], [])
    [third] = client.xclaim(stream, "g", "heir", min_idle_time=0, message_ids=[ids[2]])
    assert third[0] == ids[2]
    pending = client.xpending_range(stream, "g", "-", "+", 10)
    assert {row["consumer"] for row in pending} == {b"heir"}
    assert client.xautoclaim(stream, "g", "x", min_idle_time=3_600_000)[1] == []


def test_the_length_is_bounded_on_request(client: redis.Redis, stream: str) -> None:
    for n in range(5):
        client.xadd(stream, {"n": str(n)})
    client.xadd(stream, {"n": "5"}, maxlen=3, approximate=False)
    assert [fields[b"n"] for _, fields in client.xrange(stream)] == [b"3", b"4", b"5"]
    assert client.xtrim(stream, maxlen=1, approximate=False) == 2
    assert client.xlen(stream) == 1


def test_an_empty_stream_is_made_as_clients_make_one(client: redis.Redis, stream: str) -> None:
    assert client.xadd(stream, {"": ""}, id="0-1") == b"0-1"
    assert client.xdel(stream, "0-1") == 1
    assert client.xlen(stream) == 0
    assert client.exists(stream) == 1
    client.xadd(stream, {"n": "1"})
    with pytest.raises(redis.ResponseError, match="ID specified in XADD is equal or smaller"):
        client.xadd(stream, {"": ""}, id="0-1")


def test_an_id_that_is_refused_makes_no_stream(client: redis.Redis, stream: str) -> None:
    with pytest.raises(redis.ResponseError, match="gives the ids"):
        client.xadd(stream, {"n": "1"}, id="5-0")
    assert client.exists(stream) == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("SET", "a", "1"), "fakebus has Redis Streams only"),
        (("XADD", "s"), "wrong number of arguments"),
        (("XADD", "s", "*", "odd"), "wrong number of arguments"),
        (("XADD", "s", "5-5", "a", "b"), "gives the ids of entries itself"),
        (("XADD", "s", "x", "a", "b"), "Invalid stream ID"),
        (("XADD", "bad name!", "*", "a", "b"), "something else than ASCII"),
        (("XADD", "s", "MAXLEN", "~", "many", "*", "a", "b"), "not an integer"),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "nowhere", ">"), "NOGROUP"),
        (("XREADGROUP", "GROUP", "g", "c", "COUNT", "1"), "wrong number of arguments"),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", "b", ">"), "Unbalanced"),
        (("XGROUP", "CREATE", "nowhere", "g", "$"), "requires the key to exist"),
        (("XGROUP", "EXPLODE", "nowhere", "g"), "unknown subcommand 'EXPLODE'"),
        (("XPENDING", "nowhere", "g"), "NOGROUP"),
        (("HELLO", "9"), "NOPROTO"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_and_the_connection_goes_on(
    client: redis.Redis, command: tuple[str, ...], message: str
) -> None:
    with pytest.raises(redis.ResponseError) as failure:
        client.execute_command(*command)
    assert message in str(failure.value)
    assert client.ping()


def test_a_group_exists_once(client: redis.Redis, stream: str) -> None:
    client.xgroup_create(stream, "g", mkstream=True)
    with pytest.raises(redis.ResponseError, match="Group name already exists"):
        client.xgroup_create(stream, "g")
    assert client.xgroup_destroy(stream, "g") == 1
    assert client.xgroup_destroy(stream, "g") == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"*1\r\n!3\r\n",
        b"*1\r\n!",
        b"*99999999\r\n",
        b"*1\r\n$-7\r\n",
        b"x" * 70_000,
        b"*a\r\n",
        b"*1\r\n$" + b"1" * 70_000,
        b"*2\r\n$60000000\r\n" + b"x" * 60_000_000 + b"\r\n$60000000\r\n",
    ],
    ids=lambda garbage: repr(garbage[:12]),
)
def test_garbage_closes_its_own_connection_only(running: BusThread, garbage: bytes) -> None:
    host, port = running.bus.redis_urls[0].removeprefix("redis://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(garbage)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"-ERR Protocol error")
    with redis.Redis.from_url(running.bus.redis_urls[0]) as client:
        assert client.ping()


def _talk(running: BusThread, words: bytes) -> bytes:
    host, port = running.bus.redis_urls[0].removeprefix("redis://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(4096):
            answer += part
        return answer


def test_what_came_before_the_end_or_a_mistake_is_answered(running: BusThread, stream: str) -> None:
    name = stream.encode()
    answer = _talk(running, b"XADD %b * a b\nXLEN %b\r\n\r\n*-1\r\n*0\r\nPING\n" % (name, name))
    assert answer.endswith(b"\r\n:1\r\n+PONG\r\n")
    answer = _talk(running, b"XADD %b * a b\r\nXLEN %b\r\n*1\r\n!" % (name, name))
    assert b"\r\n:2\r\n-ERR Protocol error: expected '$'" in answer
    # It would wait for ever.
    assert _talk(running, b"XREAD BLOCK 0 STREAMS %b $\r\n" % name) in (b"$-1\r\n", b"")


def test_a_stream_is_described(client: redis.Redis, stream: str) -> None:
    client.xgroup_create(stream, "g", mkstream=True)
    empty = client.xinfo_stream(stream)
    assert (empty["length"], empty["groups"], empty["first-entry"]) == (0, 1, None)
    first, second = (client.xadd(stream, {"n": n}) for n in "12")
    found = client.xinfo_stream(stream)
    assert found["first-entry"] == (first, {b"n": b"1"})
    assert found["last-entry"] == (second, {b"n": b"2"})
    assert found["last-generated-id"] == second
    with pytest.raises(redis.ResponseError, match="FULL"):
        client.xinfo_stream(stream, full=True)
    assert client.keys(f"{stream}*") == [stream.encode()]
    assert client.keys("nothing*") == []


def test_pending_entries_are_listed_behind_an_id(client: redis.Redis, stream: str) -> None:
    client.xgroup_create(stream, "g", mkstream=True)
    first, second = (client.xadd(stream, {"n": n}) for n in "12")
    client.xreadgroup("g", "c", {stream: ">"})
    behind = client.xpending_range(stream, "g", b"(" + first, "+", 5)
    assert [row["message_id"] for row in behind] == [second]
    before = client.xpending_range(stream, "g", "-", b"(" + second, 5)
    assert [row["message_id"] for row in before] == [first]


def test_groups_survive_a_restart(tmp_path: Path, connect: Connect) -> None:
    data = tmp_path / "bus.db"
    with redis_bus(data=data) as running:
        client = connect(running)
        client.xgroup_create("s", "g", id="$", mkstream=True)
        first, second, third = (client.xadd("s", {"n": str(n)}) for n in range(3))
        client.xreadgroup("g", "c", {"s": ">"}, count=2)
        client.xack("s", "g", first)
    with redis_bus(data=data) as running:
        client = connect(running)
        assert entries(client.xreadgroup("g", "c", {"s": "0"}), "s")[0][0] == second
        assert entries(client.xreadgroup("g", "c", {"s": ">"}), "s")[0][0] == third


def test_counters_and_times_survive_a_restart(tmp_path: Path, connect: Connect) -> None:
    data = tmp_path / "bus.db"
    with redis_bus(data=data) as running:
        client = connect(running)
        client.xgroup_create("s", "g", id="0", mkstream=True)
        client.xgroup_createconsumer("s", "g", "idle")
        entry_id = client.xadd("s", {"a": "b"})
        client.xreadgroup("g", "c", {"s": ">"})
        client.xreadgroup("g", "c", {"s": "0"})
        client.xclaim("s", "g", "d", 0, [entry_id], idle=100_000)
        before = client.xinfo_groups("s"), len(client.xinfo_consumers("s", "g"))
    with redis_bus(data=data) as running:
        client = connect(running)
        [pending] = client.xpending_range("s", "g", "-", "+", 5)
        assert (pending["times_delivered"], pending["consumer"]) == (3, b"d")
        assert pending["time_since_delivered"] >= 100_000
        assert (client.xinfo_groups("s"), len(client.xinfo_consumers("s", "g"))) == before
        idle = {each["name"]: each["inactive"] for each in client.xinfo_consumers("s", "g")}
        assert idle[b"idle"] == -1 < idle[b"d"]


def test_groups_that_an_older_version_wrote_are_read(tmp_path: Path, connect: Connect) -> None:
    data = tmp_path / "bus.db"
    with redis_bus(data=data) as running:
        added = connect(running).xadd("s", {"a": "b"}).decode()
        topic = running.bus.broker.topics.get("s")
        assert topic is not None
        stored = {
            "positions": [[0, 1]],
            "last_id": added,
            "pending": [[added, "c", 5, 2]],
            "consumers": {"c": 9},
        }
        key = f"redis.group/{topic.topic_id}/a/b"

        async def write() -> None:
            await running.bus.broker.values("").set(key, json.dumps(stored))

        asyncio.run_coroutine_threadsafe(write(), running.loop).result(60)
    for _ in range(2):
        with redis_bus(data=data) as running:
            client = connect(running)
            [pending] = client.xpending_range("s", "a/b", "-", "+", 5)
            assert (pending["message_id"], pending["times_delivered"]) == (added.encode(), 2)
            consumer = client.xinfo_consumers("s", "a/b")[0]
            assert consumer["inactive"] > 1_000_000_000_000
            # What is written now leaves nothing out.
            client.xgroup_createconsumer("s", "a/b", "d")


def test_a_change_writes_what_it_concerns_and_not_all_that_is_pending(
    running: BusThread, client: redis.Redis, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.xgroup_create(stream, "g", "0", mkstream=True)
    ids = [client.xadd(stream, {"n": n}) for n in range(50)]
    client.xreadgroup("g", "c", {stream: ">"})
    written: list[int] = []
    storage: Any = running.bus.broker._storage
    store = storage.set_all_meta

    def measured(values: Mapping[str, str | None], undo: Any = None) -> Any:
        written.append(sum(len(value or "") for value in values.values()))
        return store(values, undo)

    monkeypatch.setattr(storage, "set_all_meta", measured)
    assert client.xack(stream, "g", ids[7]) == 1
    assert client.xack(stream, "g", ids[7]) == 0
    assert not client.xreadgroup("g", "c", {stream: ">"})
    assert len(written) == 1
    assert written[0] < 300


def test_an_answer_waits_until_it_is_stored_and_a_failed_write_changes_nothing(
    running: BusThread, client: redis.Redis, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        client.xadd(stream, {"n": n})
    client.xgroup_create(stream, "g", "0")
    [[first, _]] = entries(client.xreadgroup("g", "c", {stream: ">"}, count=1), stream)
    writer: Any = running.bus.broker._storage._writer  # type: ignore[attr-defined]

    def state() -> object:
        described = client.xinfo_groups(stream), len(client.xinfo_consumers(stream, "g"))
        rows = client.xpending_range(stream, "g", "-", "+", 9)
        return described, [
            (row["message_id"], row["consumer"], row["times_delivered"]) for row in rows
        ]

    async def fail(writes: Any) -> None:
        raise StorageError("disk full")

    def fail_inline(writes: Any) -> bool:
        raise StorageError("disk full")

    before = state()
    with monkeypatch.context() as broken:
        broken.setattr(writer, "_commit", fail)
        broken.setattr(writer, "_commit_inline", fail_inline)
        for command in (
            ("XADD", stream, "*", "n", "3"),
            ("XACK", stream, "g", first),
            ("XREADGROUP", "GROUP", "g", "d", "STREAMS", stream, ">"),
            ("XREADGROUP", "GROUP", "g", "c", "STREAMS", stream, ">"),
            ("XREADGROUP", "GROUP", "g", "c", "STREAMS", stream, "0"),
            ("XCLAIM", stream, "g", "d", "0", first, "LASTID", "99999999999999-0"),
            ("XAUTOCLAIM", stream, "g", "d", "0", "0"),
            ("XGROUP", "CREATE", stream, "h", "0"),
            ("XGROUP", "SETID", stream, "g", "$"),
            ("XGROUP", "CREATECONSUMER", stream, "g", "d"),
            ("XGROUP", "DELCONSUMER", stream, "g", "c"),
            ("XGROUP", "DESTROY", stream, "g"),
            ("DEL", stream),
        ):
            with pytest.raises(redis.ResponseError, match=r"^MISCONF .*disk full"):
                client.execute_command(*command)
            assert state() == before, command
    read = entries(client.xreadgroup("g", "c", {stream: ">"}), stream)
    assert [fields for _, fields in read] == [{b"n": b"1"}, {b"n": b"2"}]


def test_what_is_committed_follows_the_oldest_that_is_pending() -> None:
    group = StreamGroup("g", {0: 1000, 1: 5})
    ids = [EntryId.of(0, offset, 5) for offset in range(1000)]
    for each in ids:
        group.put(each, Pending("c", 0))
    group.put(EntryId.of(1, 3, 5), Pending("c", 0))
    for each in (ids[0], ids[2], *ids[400:]):
        group.put(each, None)
    assert group.committed() == {0: 1, 1: 3}
    for each in ids[:400]:
        group.put(each, None)
    assert group.committed() == {0: 1000, 1: 3}
    group.put(ids[7], Pending("c", 0))
    assert group.committed() == {0: 7, 1: 3}
    # One that is never acknowledged does not keep what comes after it in memory.
    for offset in range(1000, 5000):
        group.put(EntryId.of(0, offset, 5), Pending("c", 0))
        group.put(EntryId.of(0, offset, 5), None)
    assert len(group._oldest[0]) < 200
    assert group.committed()[0] == 7


def test_deleted_streams_take_their_groups_along(
    running: BusThread, client: redis.Redis, stream: str
) -> None:
    client.xgroup_create(stream, "g", "0", mkstream=True)
    client.xadd(stream, {"n": 1})
    client.xreadgroup("g", "c", {stream: ">"})
    topic = running.bus.broker.topics.get(stream)
    assert topic is not None
    assert client.delete(stream, stream, "nowhere") == 1
    assert client.exists(stream) == 0
    client.xgroup_create(stream, "g", "0", mkstream=True)
    assert client.xpending(stream, "g")["pending"] == 0
    assert client.unlink(stream) == 1
    kept = running.bus.broker.values("redis.").all()
    assert not [key for key in kept if str(topic.topic_id) in key]


def test_entries_of_several_partitions_are_trimmed_and_read_backwards(
    running: BusThread, connect: Connect, stream: str
) -> None:
    name = stream
    producer = Producer({"bootstrap.servers": running.bus.bootstrap_servers})
    admin = AdminClient({"bootstrap.servers": running.bus.bootstrap_servers})
    admin.create_topics([NewTopic(name, 3, 1)])[name].result()
    for n in range(30):
        producer.produce(name, f"{n}", partition=n % 3, timestamp=1_700_000_000_000 + n)
    assert producer.flush(60) == 0
    client = connect()

    def values(entries: Any) -> list[int]:
        return [int(fields[b"value"]) for _, fields in entries]

    assert values(client.xrange(name)) == list(range(30))
    assert values(client.xrevrange(name, count=4)) == [29, 28, 27, 26]
    assert values(client.xrange(name, 1_700_000_000_010, 1_700_000_000_012)) == [10, 11, 12]
    assert values(client.xrevrange(name, 1_700_000_000_012, 1_700_000_000_010)) == [12, 11, 10]
    assert client.xtrim(name, minid=1_700_000_000_020, approximate=False) == 20
    assert values(client.xrange(name)) == list(range(20, 30))


def test_the_last_entry_can_be_asked_for(client: redis.Redis, stream: str) -> None:
    client.xgroup_create(stream, "g", mkstream=True)
    assert not client.xread({stream: "+"})
    for n in range(3):
        client.xadd(stream, {"n": str(n)})
    assert [each[1] for each in entries(client.xread({stream: "+"}), stream)] == [{b"n": b"2"}]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("SELECT", "1"), "fakebus has database 0 only"),
        (
            ("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM", "ENTRIESREAD", "5"),
            "leave out ENTRIESREAD",
        ),
        (("XINFO", "STREAM", "s", "FULL"), "no XINFO STREAM with FULL"),
        (("COMMAND", "INFO"), "no details of commands"),
        (("KEYS", "*" * 2000), "at most 1000 characters"),
        (("AUTH", "a", "b", "c"), "syntax error"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_is_not_served_is_told(
    client: redis.Redis, command: tuple[str, ...], message: str
) -> None:
    client.xadd("s", {"a": "b"})
    if not client.xinfo_groups("s"):
        client.xgroup_create("s", "g")
    with pytest.raises(redis.ResponseError) as failure:
        client.execute_command(*command)
    assert message in str(failure.value)


def test_the_acknowledged_position_is_the_committed_offset(
    tmp_path: Path, connect: Connect
) -> None:
    data = tmp_path / "bus.db"
    with redis_bus(data=data) as running:
        client = connect(running)
        client.xgroup_create("s", "g", id="$", mkstream=True)
        ids = [client.xadd("s", {"n": str(n)}) for n in range(3)]
        client.xreadgroup("g", "c", {"s": ">"})
        client.xack("s", "g", ids[0])
    with redis_bus(data=data) as running:
        offsets = running.bus.broker.group_coordinator.offsets("g")
        assert [row.offset for row in offsets.values()] == [1]


def test_entries_are_records_with_headers(running: BusThread, connect: Connect) -> None:
    stream = "entries-are-records"
    connect().xadd(stream, {"a": "1", "b": "2"})
    consumer = KafkaConsumer(
        {
            "bootstrap.servers": running.bus.bootstrap_servers,
            "group.id": "kafka",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([stream])
    message = consumer.poll(60)
    consumer.close()
    assert message is not None
    assert message.headers() == [("redis.a", b"1"), ("redis.b", b"2")]


def test_an_address_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(Exception, match="cannot listen for Redis"), redis_bus(redis=(address,)):
            pass


def test_what_clients_of_redis_do_is_noted_with_their_names(
    running: BusThread, client: redis.Redis, stream: str
) -> None:
    activity = running.bus.broker.activity
    client.client_setname("billing")
    added = client.xadd(stream, {"n": 1})
    client.xgroup_create(stream, "g", "0")
    client.xreadgroup("g", "c", {stream: ">"})
    client.xack(stream, "g", added)
    found = [
        each for each in activity.newest if each.topic == stream and each.verb != "topic created"
    ]
    assert [(each.verb, each.offset, each.group) for each in found] == [
        ("produced", 0, ""),
        ("fetched", 0, "g"),
        ("acknowledged", 0, "g"),
    ]
    assert {(each.origin.front_end, each.origin.client_id) for each in found} == {
        ("redis", "billing")
    }


def test_entries_that_are_given_again_or_to_another_consumer_are_noted_as_sent(
    running: BusThread, client: redis.Redis, stream: str
) -> None:
    added = client.xadd(stream, {"n": 1})
    client.xgroup_create(stream, "g", "0")
    activity = running.bus.broker.activity

    def noted() -> list[str]:
        found = [each.verb for each in activity.newest if each.topic == stream]
        return found[found.index("produced") + 1 :]

    client.xreadgroup("g", "c", {stream: ">"})
    client.xreadgroup("g", "c", {stream: "0"})
    client.xclaim(stream, "g", "d", 0, [added], justid=True)
    assert noted() == ["fetched"] * 2
    client.xclaim(stream, "g", "d", 0, [added])
    client.xautoclaim(stream, "g", "e", 0)
    assert noted() == ["fetched"] * 4
    client.xack(stream, "g", added)
    client.xadd(stream, {"n": 2})
    client.xreadgroup("g", "c", {stream: ">"}, noack=True)
    assert noted()[4:] == ["acknowledged", "produced", "fetched", "acknowledged"]


def test_answers_are_bounded(
    client: redis.Redis, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_ANSWER_BYTES", 1_000_000)
    ids = [client.xadd(stream, {"v": b"x" * 300_000}) for _ in range(8)]
    for command in (client.xrange, client.xrevrange):
        with pytest.raises(redis.ResponseError, match="more than 1000000 bytes"):
            command(stream)
    assert [each[0] for each in client.xrange(stream, count=3)] == ids[:3]
    assert [each[0] for each in client.xrevrange(stream, count=3)] == ids[:4:-1]
    assert [each[0] for each in client.xrange(stream, ids[4], ids[5])] == ids[4:6]
    assert [each[0] for each in client.xrevrange(stream, ids[2], ids[1])] == [ids[2], ids[1]]
    # Who reads on gets all of it, in several answers.
    client.xgroup_create(stream, "g", "0")
    got: list[bytes] = []
    while found := entries(client.xreadgroup("g", "c", {stream: ">"}), stream):
        assert len(found) < len(ids)
        got += [entry_id for entry_id, _ in found]
    assert got == ids


@pytest.mark.parametrize(("count", "most_bytes"), [(4, 1 << 20), (1000, 3000)])
def test_nothing_is_passed_over_where_times_go_back_and_parts_are_read(
    running: BusThread,
    client: redis.Redis,
    stream: str,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    most_bytes: int,
) -> None:
    monkeypatch.setattr(streams, "MAX_ANSWER_BYTES", most_bytes)
    monkeypatch.setattr(streams, "SLICE_RECORDS", 2)
    producer = Producer({"bootstrap.servers": running.bus.bootstrap_servers})
    admin = AdminClient({"bootstrap.servers": running.bus.bootstrap_servers})
    admin.create_topics([NewTopic(stream, 3, 1)])[stream].result()
    for n in range(60):
        at_ms = 1_700_000_000_000 + (n * 7919) % 100
        producer.produce(stream, f"{n:100}", partition=n % 3, timestamp=at_ms)
    assert producer.flush(60) == 0
    client.xgroup_create(stream, "g", "0")
    got: list[int] = []
    while found := entries(client.xreadgroup("g", "c", {stream: ">"}, count=count), stream):
        got += [int(fields[b"value"]) for _, fields in found]
    assert sorted(got) == list(range(60))


def test_entries_come_in_the_order_of_time_also_where_one_partition_fills_an_answer(
    running: BusThread, client: redis.Redis, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_ANSWER_BYTES", 3000)
    monkeypatch.setattr(streams, "SLICE_RECORDS", 2)
    producer = Producer({"bootstrap.servers": running.bus.bootstrap_servers})
    admin = AdminClient({"bootstrap.servers": running.bus.bootstrap_servers})
    admin.create_topics([NewTopic(stream, 2, 1)])[stream].result()
    for n in range(40):
        partition = n % 2
        value = f"{n:{1 if partition else 400}}"
        producer.produce(stream, value, partition=partition, timestamp=1_700_000_000_000 + n)
    assert producer.flush(60) == 0
    client.xgroup_create(stream, "g", "0")
    got: list[int] = []
    while found := entries(client.xreadgroup("g", "c", {stream: ">"}), stream):
        got += [int(fields[b"value"]) for _, fields in found]
    assert got == list(range(40))


def test_the_server_is_described_by_sections(client: redis.Redis) -> None:
    assert {"redis_version", "db0"} <= client.info().keys()
    assert "redis_version" in client.info("SERVER")
    assert "db0" not in client.info("server")
    assert "db0" in client.info("everything")
    assert client.info("no-such-section") == {}


def test_passwords_are_taken_and_not_asked_for(client: redis.Redis) -> None:
    assert client.execute_command("AUTH", "secret") in (b"OK", True)
    assert client.execute_command("AUTH", "user", "secret") in (b"OK", True)
    hello = client.execute_command("HELLO", "2", "AUTH", "user", "secret", "SETNAME", "me")
    assert hello
    assert client.client_getname() in (b"me", "me")


def test_records_of_kafka_show_their_keys(
    running: BusThread, client: redis.Redis, stream: str
) -> None:
    producer = Producer({"bootstrap.servers": running.bus.bootstrap_servers})
    producer.produce(stream, b"1", key=b"k", headers=[("h", b"x")])
    producer.produce(stream, b"2")
    producer.produce(stream, None, key=b"gone")
    assert producer.flush(60) == 0
    assert [fields for _, fields in client.xrange(stream)] == [
        {b"key": b"k", b"h": b"x", b"value": b"1"},
        {b"value": b"2"},
        {b"key": b"gone", b"value": b""},
    ]


def test_groups_of_streams_go_back_with_a_snapshot(
    running: BusThread, client: redis.Redis, stream: str
) -> None:
    broker, loop = running.bus.broker, running.loop

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    first, second = client.xadd(stream, {"n": 1}), client.xadd(stream, {"n": 2})
    client.xgroup_create(stream, "g", "0")
    client.xreadgroup("g", "c", {stream: ">"}, count=1)
    snapshot = run(broker.snapshots.take())
    for deletes_topic in (False, True):
        client.xack(stream, "g", first)
        client.xreadgroup("g", "d", {stream: ">"})
        client.xgroup_create(stream, "later", "0")
        topic = broker.topics.get(stream)
        assert topic is not None
        while len(StreamGroups(broker).of_topic(topic)) < 2:
            # Groups are written a moment later.
            client.ping()
        if deletes_topic:
            run(broker.topics.delete(topic))
        run(broker.snapshots.roll_back(snapshot))
        assert [each["name"] for each in client.xinfo_groups(stream)] == [b"g"]
        back = broker.topics.get(stream)
        assert back is not None
        assert [group.name for group in StreamGroups(broker).of_topic(back)] == ["g"]
        pending = client.xpending_range(stream, "g", "-", "+", 10)
        assert [(each["message_id"], each["consumer"]) for each in pending] == [(first, b"c")]
        read = entries(client.xreadgroup("g", "c", {stream: ">"}), stream)
        assert [entry_id for entry_id, _ in read] == [second]
    broker.snapshots.forget(snapshot)


@pytest.mark.parametrize("fails_at", [1, 2])
@pytest.mark.parametrize(
    "command", ["XADD {} * f x", "XGROUP CREATE {} g 0 MKSTREAM"], ids=["XADD", "MKSTREAM"]
)
def test_a_stream_is_not_made_where_what_makes_it_could_not_be_stored(
    running: BusThread, client: redis.Redis, stream: str, command: str, fails_at: int
) -> None:
    writes, begun = running.bus.broker._storage.writes, 0

    def refuse() -> StorageError | None:
        nonlocal begun
        begun += 1
        return StorageError("disk full") if begun == fails_at else None

    writes.refusal = refuse
    try:
        client.execute_command(*command.format(stream).split())
    except redis.ResponseError:
        assert not client.exists(stream)
        client.execute_command(*command.format(stream).split())
    finally:
        writes.refusal = None
    assert client.exists(stream)


def test_a_stream_is_not_made_by_an_entry_that_is_refused(client: redis.Redis, stream: str) -> None:
    with pytest.raises(redis.ResponseError, match=r"max\.message\.bytes"):
        client.xadd(stream, {"f": "x" * 2_000_000})
    assert not client.exists(stream)
    client.xadd(stream, {"f": "x"})
    assert client.xlen(stream) == 1
