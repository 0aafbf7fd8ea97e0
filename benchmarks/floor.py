"""Floor of a transaction: a server in CPython, on uvloop, whose answers are ready.

It stands in front of a broker, passes on what it has not heard yet, and keeps the answer. What it
hears again, but for the correlation id, it answers by itself, and so it does each Produce after the
first one. A client's transactions go on with it, although nothing is decoded, kept or encoded: what
a broker in this language could at best take.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

_PRODUCE = 0
_HEAD = 12
"""Bytes of a frame up to the correlation id's end: length, API and version before it."""


class _Answers:
    """Answers by what was asked, of all connections."""

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[bytes, bytes]] = {}

    @staticmethod
    def key(frame: bytes) -> bytes:
        """Return what is the same in frames that get the same answer."""
        api = frame[4:8]
        return api if int.from_bytes(api[:2], "big") == _PRODUCE else api + frame[_HEAD:]


class _Client(asyncio.Protocol):
    """Connection of a client, with one of its own to the broker."""

    def __init__(self, answers: _Answers, broker_port: int) -> None:
        self._answers = answers
        self._broker_port = broker_port
        self._received = b""
        self._asked: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._task = asyncio.get_running_loop().create_task(self._pass_on())

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()

    def data_received(self, data: bytes) -> None:
        data, at = self._received + data, 0
        while len(data) - at >= 4:
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if end > len(data):
                break
            frame, at = data[at:end], end
            known = self._answers.known.get(self._answers.key(frame))
            if known is None or not self._asked.empty():
                self._asked.put_nowait(frame)
            else:
                self._transport.write(b"".join((known[0], frame[8:_HEAD], known[1])))  # type: ignore[attr-defined]
        self._received = data[at:]

    async def _pass_on(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
        try:
            while True:
                frame = await self._asked.get()
                writer.write(frame)
                length = await reader.readexactly(4)
                answer = await reader.readexactly(int.from_bytes(length, "big"))
                self._answers.known[self._answers.key(frame)] = length, answer[4:]
                self._transport.write(length + answer)  # type: ignore[attr-defined]
        finally:
            writer.close()


async def _serve(port: int, broker_port: int) -> None:
    answers = _Answers()
    await asyncio.get_running_loop().create_server(
        lambda: _Client(answers, broker_port), "127.0.0.1", port
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(*map(int, sys.argv[1:])))
