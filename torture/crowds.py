"""Clients that are slow, deaf, or very many, and what a healthy one notices of them.

Each crowd is there for a while beside a healthy producer, and goes. The bus's memory stays within a
bound, the loop's turns are short, and when the crowd has gone so have its descriptors.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fuzzing.bus import FuzzedBus
from fuzzing.corpus import ask, frame_of, ids_of_topics
from fuzzing.healthy import COUNT, SLOWEST, SLOWEST_OF_BUS, acknowledge

LIMIT_MS = 250.0
LIMIT_MB = 600.0
TOPIC = "crowd"
BACKLOG_MB = 64
"""Of the topic that deaf consumers read: none of it may wait in memory for all of them."""
SPARE_DESCRIPTORS = 200
Crowd = Callable[[FuzzedBus, int], Iterator[socket.socket]]


def slow(bus: FuzzedBus, count: int) -> Iterator[socket.socket]:
    """Clients that have begun to say something, at every door, and go on byte by byte."""
    begun = (
        (bus.ports[0], b"\0\0\x20\0\0\x12\0\x03\0\0\0\7\0\4"),
        (bus.http_port, b"GET /subjects HTTP/1.1\r\nHost: bus\r\nX-"),
        (bus.redis_port, b"*3\r\n$4\r\nXADD\r\n$9000\r\n"),
    )
    for number in range(min(count, 600)):
        port, words = begun[number % len(begun)]
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        client.sendall(words)
        yield client


def _listening(begin: str) -> bytes:
    path = f"/_fakebus/v1/topics/{TOPIC}/events?from={begin}"
    return f"GET {path} HTTP/1.1\r\nHost: bus\r\n\r\n".encode()


def deaf(bus: FuzzedBus, count: int) -> Iterator[socket.socket]:
    """Consumers that ask for megabytes, again and again, and read nothing of them."""
    batch = build_batch([NewRecord(None, b"x" * 1_000_000, (), int(time.time() * 1000))])
    with socket.create_connection(("127.0.0.1", bus.ports[0]), timeout=60) as producer:
        ids_of_topics(bus.ports[0], [TOPIC])
        for _ in range(BACKLOG_MB):
            partition = PartitionProduceData(index=0, records=batch)
            topic = TopicProduceData(name=TOPIC, partition_data=[partition])
            request = ProduceRequest(acks=-1, timeout_ms=9000, topic_data=[topic])
            ask(producer, ApiKey.PRODUCE, 7, request)
    part = FetchRequestFetchPartition(partition=0, fetch_offset=0, partition_max_bytes=50_000_000)
    fetch = FetchRequest(
        replica_id=-1,
        max_wait_ms=100,
        min_bytes=1,
        max_bytes=50_000_000,
        topics=[FetchRequestFetchTopic(topic=TOPIC, partitions=[part])],
        forgotten_topics_data=[],
    )
    frame = frame_of(int(ApiKey.FETCH), 7, fetch, flexible=False)
    asked = (
        (bus.ports[0], (len(frame).to_bytes(4, "big") + frame) * 20),
        (bus.http_port, _listening("earliest")),
        (bus.redis_port, b"*4\r\n$6\r\nXRANGE\r\n$5\r\ncrowd\r\n$1\r\n-\r\n$1\r\n+\r\n" * 20),
    )
    for number in range(min(count, 90)):
        port, words = asked[number % len(asked)]
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(words)
        yield client


def many(bus: FuzzedBus, count: int) -> Iterator[socket.socket]:
    """As many Kafka clients as there may be descriptors, who have said who they are."""
    hello = b"\0\x12\0\0\0\0\0\7\0\4idle"
    for _ in range(_as_many(count)):
        client = socket.create_connection(("127.0.0.1", bus.ports[0]), timeout=60)
        client.sendall(len(hello).to_bytes(4, "big") + hello)
        yield client


def listeners(bus: FuzzedBus, count: int) -> Iterator[socket.socket]:
    """Listeners to the records of a topic, of whom most are refused."""
    ids_of_topics(bus.ports[0], [TOPIC])
    for _ in range(_as_many(min(count, 5_000))):
        client = socket.create_connection(("127.0.0.1", bus.http_port), timeout=60)
        with contextlib.suppress(ConnectionError):
            client.sendall(_listening("latest"))
        yield client


def _as_many(count: int) -> int:
    """Return how many may come: bus and clients have one descriptor for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and count > most - SPARE_DESCRIPTORS:
        print(f"no more than {most} descriptors may be open here (ulimit -Hn), for {count} clients")
        return most - SPARE_DESCRIPTORS
    return count


CROWDS: dict[str, Crowd] = {"slow": slow, "deaf": deaf, "listeners": listeners, "many": many}


def play(directory: Path, clients: int, seconds: float, seed: int) -> None:
    """Let each crowd come, stay for some seconds, and go.

    Raises:
        AssertionError: a healthy client, or the machine, has suffered.
    """
    choice = random.Random(seed)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The bus inherits it.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = multiprocessing.get_context("spawn")
    for name, crowd in CROWDS.items():
        place = directory / name
        place.mkdir()
        with FuzzedBus(place) as bus, contextlib.ExitStack() as stack:
            waits = context.Array("d", 5, lock=False)
            told = (bus.ports[0], bus.process.pid, waits)
            healthy = context.Process(target=acknowledge, args=told, daemon=True)
            healthy.start()
            stack.callback(healthy.terminate)
            while not waits[COUNT]:
                time.sleep(0.05)
            waits[SLOWEST] = waits[SLOWEST_OF_BUS] = 0.0
            process = psutil.Process(bus.process.pid)
            before = process.num_fds()
            came = [stack.enter_context(client) for client in crowd(bus, clients)]
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                if name == "slow":
                    with contextlib.suppress(OSError):
                        choice.choice(came).send(b"a")
                bus.resident_bytes()
                time.sleep(0.02)
            during = process.num_fds()
            for client in came:
                client.close()
            _wait_for_descriptors(bus, process, before)
        turn = max((took for took, _ in bus.costliest_turns()), default=0.0)
        print(
            f"{len(came)} {name} clients: {during - before} descriptors, "
            f"{bus.began_with_bytes / 1e6:.0f} -> {bus.peak_bytes / 1e6:.0f} MB, slowest of "
            f"{waits[COUNT]:.0f} acknowledgements {waits[SLOWEST] * 1000:.0f} ms, "
            f"{waits[SLOWEST_OF_BUS] * 1000:.0f} without the wait for a processor, costliest turn "
            f"of the loop {turn:.0f} ms",
            flush=True,
        )
        problems = [f"{name}: {problem}" for problem in bus.problems(LIMIT_MS, LIMIT_MB)]
        assert not problems, "\n".join(problems)
        assert waits[COUNT] > 3, f"{name}: nothing was acknowledged any more"


def _wait_for_descriptors(bus: FuzzedBus, process: psutil.Process, before: int) -> None:
    """Return when those of a crowd are closed; a client or two of the bus's own may be left.

    What a client had asked of Redis before it went is carried out: it may still listen, and only
    the first word that is sent to it tells. A range of 64 MB takes a fifth of a second, and a
    hundred of them take minutes on a busy machine; so each minute has to bring some further.
    """
    fewest, deadline = process.num_fds(), time.monotonic() + 60
    while (now := process.num_fds()) > before + 10:
        if now < fewest:
            fewest, deadline = now, time.monotonic() + 60
        if time.monotonic() > deadline:
            doors = {bus.ports[0]: "Kafka", bus.http_port: "HTTP", bus.redis_port: "Redis"}
            left = Counter(
                (doors.get(each.laddr.port), each.status)
                for each in process.net_connections()
                if each.raddr
            )
            raise AssertionError(f"{now} descriptors are open, {before} were before: {left}")
        time.sleep(0.1)
