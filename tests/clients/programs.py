"""Runs the programs of clients in other languages and speaks with them in JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

ANSWER_TIMEOUT_SECONDS = 60.0
"""More than the programs take for themselves (20 s), so that they get to say what went wrong."""


class ProgramError(Exception):
    """A program ended, or stayed silent; the text ends with what it wrote to standard error."""


class KafkaError(Exception):
    """The broker answered a command with an error code."""

    def __init__(self, code: int, message: str) -> None:
        """Keep Kafka's number of the error; the numbers are the same for all clients."""
        super().__init__(f"{code}: {message}")
        self.code = code


class Program:
    """One running program of a client."""

    def __init__(self, name: str, command: list[str], bootstrap_servers: str) -> None:
        """Start the program.

        Args:
            name: The client's name, for messages.
            command: The program's command line.
            bootstrap_servers: Where it connects.
        """
        self.name = name
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._errors = tempfile.TemporaryFile()
        # A session of its own: a kill reaches what the program started itself, too.
        self._process = subprocess.Popen(
            [*command, bootstrap_servers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"answers of {name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    @property
    def running(self) -> bool:
        """Whether the program has not ended."""
        return self._process.poll() is None

    def send(self, command: str, **arguments: Any) -> None:
        """Send a command; its answer is read with `next_line`."""
        assert self._process.stdin is not None
        line = json.dumps({"command": command, **arguments})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def next_line(self, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS) -> dict[str, Any]:
        """Return the next line that the program says.

        Raises:
            ProgramError: It ended, or said nothing in time.
        """
        try:
            line = self._lines.get(timeout=timeout_seconds)
        except queue.Empty:
            line = None
        if line is None:
            text = "" if self._errors.closed else self._error_text()
            state = f"is silent for {timeout_seconds} s" if self.running else "ended"
            raise ProgramError(f"{self.name} {state}\n{text}")
        return line

    def _error_text(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-4000:]

    def call(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its result.

        Raises:
            KafkaError: The broker answered an error.
            ProgramError: Anything else went wrong.
        """
        self.send(command, **arguments)
        answer = self.next_line()
        if "error_code" in answer:
            raise KafkaError(answer["error_code"], answer["message"])
        return answer["result"]

    def close(self) -> None:
        """Close the pipe and wait for a clean end.

        Raises:
            ProgramError: The exit status is not 0.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            status = self._process.wait(ANSWER_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ProgramError(f"{self.name} does not end") from error
        self._release()
        if status:
            raise ProgramError(f"{self.name} ended with {status}")

    def kill(self) -> None:
        """End the program, and what it started, with SIGKILL, if it has not ended by itself."""
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._release()

    def _release(self) -> None:
        self._reader.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # What a dead program did not read any more is nobody's concern.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()


class Member:
    """A program that is a member of a group, and what it has said so far."""

    def __init__(self, program: Program, **arguments: Any) -> None:
        """Join.

        Args:
            program: A program that does nothing else from now on.
            arguments: Those of the command `member`.
        """
        self.partitions: list[int] = []
        self.values: list[str] = []
        self._program = program
        program.send("member", **arguments)

    def hear(self, timeout_seconds: float) -> None:
        """Take in one line, if there is one in time."""
        try:
            line = self._program.next_line(timeout_seconds)
        except ProgramError:
            if self._program.running:
                return
            raise
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if line["event"] == "assigned":
            self.partitions = line["partitions"]
        else:
            self.values.append(line["record"]["value"])

    def leave(self) -> None:
        """Stop reading and leave the group."""
        self._program.send("stop")
        while "result" not in (line := self._program.next_line()):
            assert line["event"] in ("assigned", "record"), line
        self._program.close()

    def kill(self) -> None:
        """End the program without leaving the group; take in what it had said."""
        self._program.kill()
        with contextlib.suppress(ProgramError):
            while True:
                self._take(self._program.next_line())


def hear_until(
    condition: Callable[[], bool], members: list[Member], what: str, timeout_seconds: float = 60.0
) -> None:
    """Take in what the members say until the condition holds.

    Raises:
        AssertionError: It does not in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        states = [(member.partitions, len(member.values)) for member in members]
        assert time.monotonic() < deadline, f"{what}: owned and read are {states}"
        for member in members:
            member.hear(0.05)
