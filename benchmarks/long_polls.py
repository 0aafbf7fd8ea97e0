"""What waiting consumers cost producers: ``python -m benchmarks.long_polls``, in ``make bench``.

Every consumer fetches all partitions of a topic, without a fetch session as librdkafka does,
and waits. A producer sends one message after the other to one partition, so each message
wakes all of them. The peer is Apache Kafka itself, asked by turns with fakebus in one run.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
import struct
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks import workloads
from benchmarks.peers import ApacheKafka, Fakebus, Server

SHAPES = ((500, 20), (200, 100), (50, 1000))
"""Consumers, and the partitions that each of them fetches."""

_FETCH, _VERSION = 1, 11
_WAIT_MS = 500
_HIGH_WATERMARK_AT = 6
"""Where the high watermark stands in a partition's answer: behind its index and error code."""


class LongPolls:
    """Consumers that fetch the same partitions over and over.

    Args:
        address: of the broker.
        topic: what they fetch.
        partitions: how many it has.
        count: how many consumers.
    """

    def __init__(self, address: tuple[str, int], topic: str, partitions: int, count: int) -> None:
        name = topic.encode()
        self._first_partition_at = 4 + 4 + 4 + 2 + 4 + 4 + 2 + len(name) + 4
        head = struct.pack(
            ">hhihiiiibiiih",
            _FETCH,
            _VERSION,
            7,
            -1,
            -1,
            _WAIT_MS,
            1,
            1 << 26,
            0,
            0,
            -1,
            1,
            len(name),
        )
        wanted = [struct.pack(">iiqqi", index, -1, 0, -1, 1 << 20) for index in range(partitions)]
        body = (
            head
            + name
            + struct.pack(">i", partitions)
            + b"".join(wanted)
            + struct.pack(">ih", 0, 0)
        )
        self._offset_at = 4 + len(head) + len(name) + 4 + 8
        self._frame = struct.pack(">i", len(body)) + body
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            self._add(socket.create_connection(address))

    def _add(self, consumer: socket.socket) -> None:
        self._selector.register(consumer, selectors.EVENT_READ, bytearray())
        consumer.sendall(self._frame)

    def run(self) -> None:
        """Take answers and ask again, until the process is ended; say when all have had one."""
        silent = {key.fd for key in self._selector.get_map().values()}
        while True:
            for key, _ in self._selector.select():
                assert isinstance(key.fileobj, socket.socket)
                received: bytearray = key.data
                received += key.fileobj.recv(1 << 18)
                if len(received) < 4 or len(received) < 4 + int.from_bytes(received[:4], "big"):
                    continue
                at = self._first_partition_at + 4 + _HIGH_WATERMARK_AT
                frame = bytearray(self._frame)
                frame[self._offset_at : self._offset_at + 8] = received[at : at + 8]
                received.clear()
                if key.fd in silent:
                    silent.discard(key.fd)
                    if not silent:
                        print("waiting", flush=True)
                key.fileobj.sendall(frame)


@contextmanager
def waiting(bootstrap_servers: str, topic: str, partitions: int, count: int) -> Iterator[None]:
    """Let consumers wait, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.long_polls", "--consume", bootstrap_servers]
    command += [topic, str(partitions), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            # Until all have been answered once, some may not have begun to wait.
            process.stdout.readline()
            time.sleep(1)
            yield
        finally:
            process.kill()


def acknowledgements(server: Server, consumers: int, partitions: int, count: int) -> list[float]:
    """Return how long acknowledgements took while consumers waited, in milliseconds."""
    topic = f"bench-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": server.bootstrap_servers})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(60)
    with waiting(server.bootstrap_servers, topic, partitions, consumers):
        return workloads.acknowledgement_latencies(server.bootstrap_servers, topic, count)


def compare(rounds: int, count: int) -> None:
    """Print acknowledgement times of fakebus, of Apache Kafka, and their ratio."""
    results: dict[tuple[str, tuple[int, int]], list[list[float]]] = defaultdict(list)
    for _ in range(rounds):
        for make in (Fakebus, ApacheKafka):
            with make() as server:
                for shape in SHAPES:
                    times = sorted(acknowledgements(server, *shape, count))
                    results[make.name, shape].append(
                        [statistics.median(times), times[len(times) * 99 // 100]]
                    )
    print(
        f"{'acknowledgement while consumers wait, ms':44} {'p50':>8} {'p99':>8} "
        f"{'p50 of Kafka':>14} {'p99':>8} {'ratio':>8}"
    )
    for shape in SHAPES:
        ours, theirs = (
            [statistics.median(column) for column in zip(*results[name, shape], strict=True)]
            for name in (Fakebus.name, ApacheKafka.name)
        )
        print(
            f"{f'{shape[0]} consumers of {shape[1]} partitions':44} {ours[0]:8.2f} {ours[1]:8.2f} "
            f"{theirs[0]:14.2f} {theirs[1]:8.2f} {ours[0] / theirs[0]:8.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200, help="messages of each measurement")
    parser.add_argument("--consume", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.consume:
        servers, topic, partitions, count = arguments.consume
        host, port = servers.rsplit(":", 1)
        polls = LongPolls((host, int(port)), topic, int(partitions), int(count))
        polls.run()
    compare(arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
