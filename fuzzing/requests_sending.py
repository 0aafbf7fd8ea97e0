"""Connections that send mutated requests, and hold each answer to what may be answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

from fuzzing.requests_mutation import Sent

CONNECTIONS = 16
PATIENCE_S = 0.3
"""How long an answer is waited for that need not come."""
HANGS_S = 240.0
"""How long one is waited for that has to come, on however busy a machine."""
PAUSE_S = 0.01
MOST_BYTES = 1 << 20
"""Of the head of an answer, which may say where to go on with all that it was asked."""
MOST_PROBLEMS = 20
REFUSALS = (501, 503, 505)
"""What a server may say of 5xx: what is not installed, not now, and not this HTTP."""
_BY_THEMSELVES = ("timeout", "wait_for", "/events", "block", "BLOCK")
"""In the name of what may wait for others, or has no end."""

Read = Callable[[asyncio.StreamReader, Sent], Awaitable[tuple[str, bool]]]


class Talk:
    """Talk of several connections with one port.

    Args:
        port: of the bus.
        source: gives what to send next.
        read: reads an answer; returns what it was, and whether the connection can be used again.
    """

    def __init__(self, port: int, source: Callable[[], Sent], read: Read) -> None:
        self.answers: Counter[str] = Counter()
        self.sent = self.refused = self.given_up = 0
        self.problems: list[str] = []
        self._port, self._source, self._read = port, source, read
        self._runner = asyncio.Runner()

    @property
    def answered(self) -> int:
        """How many got an answer."""
        return self.answers.total()

    def send_some(self, count: int) -> None:
        """Send so many."""
        self._runner.run(self._send(count))

    def close(self) -> None:
        """Close the loop; no connection is left open between two calls."""
        self._runner.close()

    async def _send(self, count: int) -> None:
        until = self.sent + count
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._work(until))

    async def _work(self, until: int) -> None:
        writer: asyncio.StreamWriter | None = None
        while self.sent < until:
            self.sent += 1
            sent = self._source()
            if writer is None:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._port, limit=MOST_BYTES
                )
            if not await self._talk(sent, reader, writer):
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    async def _talk(
        self, sent: Sent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        waits = sent.is_whole and not any(word in sent.name for word in _BY_THEMSELVES)
        writing = asyncio.create_task(_write(writer, sent.pieces))
        try:
            async with asyncio.timeout(HANGS_S if waits else PATIENCE_S):
                answer, may_go_on = await self._read(reader, sent)
                self.answers[answer] += 1
                if answer[:1] == "5" and int(answer[:3]) not in REFUSALS:
                    self._problem(f"answers {answer}", sent)
                await writing
                return may_go_on and sent.is_whole
        except TimeoutError:
            self.given_up += 1
            if waits:
                self._problem("gets no answer", sent)
        except asyncio.LimitOverrunError:
            # What should be the head of an answer goes on and on: more of the one before, perhaps.
            self._problem("is answered by what has no head", sent)
        except (OSError, EOFError, ValueError):
            self.refused += 1
        finally:
            writing.cancel()
            await asyncio.wait((writing,))
        return False

    def _problem(self, what: str, sent: Sent) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(f"{sent.name!r} {what}: {b''.join(sent.pieces)[:3000]!r}")


async def _write(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(PAUSE_S)
            writer.write(piece)
            await writer.drain()


async def read_http(reader: asyncio.StreamReader, sent: Sent) -> tuple[str, bool]:
    """Read an answer by HTTP; of a stream of events, its head alone."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = head.split(" ", 2)[1]
        if status != "100":
            break
    if status in ("204", "304") or sent.name.startswith("HEAD "):
        return status, "connection: close" not in head
    if "text/event-stream" in head or "upgrade: " in head:
        return status, False
    if "transfer-encoding: chunked" in head:
        while size := int((await reader.readline()).partition(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif "content-length: " in head:
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    else:
        await reader.read()
    return status, "connection: close" not in head


async def read_redis(reader: asyncio.StreamReader, sent: Sent) -> tuple[str, bool]:
    """Read the beginning of an answer of Redis; the rest is left, with its connection."""
    data = await reader.read(65536)
    if not data:
        raise EOFError
    failed = b"fakebus failed" in data
    return ("500" if failed else data[:1].decode("latin-1")), False
