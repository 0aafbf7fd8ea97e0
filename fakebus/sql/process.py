"""The engine's process as the bus sees it: started when needed, kept, and replaced if it dies.

A query that is cancelled ends with its process.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from fakebus.errors import MissingExtraError
from fakebus.schemas.payloads import SchemaSource
from fakebus.sql.lines import TopicLines
from fakebus.sql.queries import SqlError, TableName


class _GoneError(SqlError):
    """The process has ended."""


class EngineProcess:
    """Process of :mod:`fakebus.sql.worker`, which answers one question after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def ask(self, question: dict[str, Any]) -> Any:
        """Return the answer; from any thread.

        Raises:
            SqlError: the query fails, or has ended the process.
        """
        with self._lock:
            process = self._running()
            assert process.stdin is not None  # noqa: S101 - it was started with pipes
            assert process.stdout is not None  # noqa: S101
            try:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except OSError:
                line = b""
            if not line.endswith(b"\n"):
                self._stop()
                raise _GoneError("the query was too much for its process, which has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise SqlError(answer["error"])
        return answer["answer"]

    def kill(self) -> None:
        """Let the process end, whatever it does; from any thread."""
        process = self._process
        if process is not None and self._pid == os.getpid():
            process.kill()

    def stop(self) -> None:
        """Let the process go."""
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        # After a fork the pipe belongs to the parent as well.
        if self._process is None or self._pid != os.getpid():
            self._process = subprocess.Popen(
                # -P: what lies in the current directory is no module of ours.
                [sys.executable, "-P", "-m", "fakebus.sql.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # What it says when it ends is answered in our own words.
                stderr=subprocess.DEVNULL,
            )
            self._pid = os.getpid()
            atexit.register(self.stop)
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or self._pid != os.getpid():
            return
        atexit.unregister(self.stop)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # Of what was not sent nothing matters any more.
                pipe.close()


PROCESS = EngineProcess()
"""The one of this process."""


class Rows(NamedTuple):
    """Rows of an answer, in a file."""

    columns: list[str]
    path: Path
    """Of one list of JSON."""
    complete: bool
    """Whether these are all rows."""


class RemoteEngine:
    """Engine for one query, in the process for it; there is one query at a time.

    All but :meth:`cancel` is for one thread at a time.
    """

    def __init__(self) -> None:
        self._lines: list[TopicLines] = []
        self._is_over = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """Where files of the query are, until it is closed."""
        assert self._folder is not None  # noqa: S101 - it is open
        return Path(self._folder.name)

    def open(self) -> None:
        """Get ready.

        Raises:
            MissingExtraError: DuckDB is not installed.
        """
        if find_spec("duckdb") is None:
            raise MissingExtraError("SQL", "sql")
        self._folder = tempfile.TemporaryDirectory(prefix="fakebus-sql-")
        try:
            PROCESS.ask({"do": "open", "folder": str(self.folder)})
        except _GoneError:
            # It has died since the last query, and that is seen only now.
            self._ask("open", folder=str(self.folder))

    def close(self) -> None:
        """Forget all tables and files."""
        for lines in self._lines:
            lines.close()
        if self._folder is None:
            return
        try:
            if self._is_over or self._ask("close"):
                PROCESS.stop()
        finally:
            self._folder.cleanup()

    def cancel(self) -> None:
        """Let what is being carried out and all that follows end with an error; from any thread."""
        self._is_over = True
        PROCESS.kill()

    def tables(self, text: str) -> list[TableName]:
        """Return the topics that a query reads."""
        return [TableName(*each) for each in self._ask("tables", text=text)]

    def table(self, topic: str, schemas: SchemaSource[Any] | None) -> TopicLines:
        """Return what the table of a topic is filled by."""
        self._ask("new_table", topic=topic)
        path = self.folder / f"{len(self._lines)}"
        lines = TopicLines(topic, path, schemas, partial(self._load, topic))
        self._lines.append(lines)
        return lines

    def _load(self, topic: str, path: Path, longest: int) -> None:
        self._ask("load", topic=topic, path=str(path), longest=longest)

    def finish(self, wanted: Sequence[TableName]) -> None:
        """Make the filled tables what a query reads."""
        for lines in self._lines:
            lines.finish()
        self._ask("finish", wanted=wanted)

    def run(self, text: str, most_rows: int, most_letters: int, most_of_cell: int) -> Rows:
        """Carry a query out, and return its rows.

        Args:
            text: the query.
            most_rows: that are wanted.
            most_letters: that all rows may have.
            most_of_cell: letters that are wanted of a cell, as text; all as they are if it is 0.
        """
        path = self.folder / "rows"
        most = {"most_rows": most_rows, "most_letters": most_letters, "most_of_cell": most_of_cell}
        found = self._ask("run", text=text, path=str(path), **most)
        return Rows(found["columns"], path, found["complete"])

    def _ask(self, what: str, **question: object) -> Any:
        if self._is_over:
            raise SqlError("the query was cancelled")
        try:
            return PROCESS.ask({"do": what, **question})
        except _GoneError:
            # Another process knows nothing of the query.
            self._is_over = True
            raise
