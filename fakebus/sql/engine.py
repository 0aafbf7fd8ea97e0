"""Engine that carries queries out: DuckDB in memory, shut off from files and networks."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fakebus.errors import MissingExtraError
from fakebus.sql.forms import FORMATS, PARQUET, Result, write_text
from fakebus.sql.lines import TopicLines
from fakebus.sql.names import identifier, literal
from fakebus.sql.queries import SqlError, TableName, tables_of
from fakebus.sql.tables import TopicTable
from fakebus.sql.whole_numbers import DECIMAL, SIGNED, file_type

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from fakebus.schemas.payloads import SchemaSource

_T = TypeVar("_T")
_ROWS_AT_ONCE = 1000
_CANCEL_S = 0.1
"""After so long what has only begun to be carried out is told once more to end."""
_CLOSED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_persistent_secrets": "false",
}
_FOLDERS = ("temp_directory", "extension_directory", "secret_directory")
"""Where DuckDB would look into the home directory, and name it in what it answers."""


def _do_nothing() -> None:
    """Be done when all before it is."""


class Engine:
    """Engine for one query; for ``with``, or to be opened and closed.

    All but :meth:`cancel` is for one thread at a time. What may take long is carried out in a
    thread of the engine's own: Ctrl-C does not reach the engine, but whoever waits for it.

    Args:
        memory_mb: what it may use.
        threads: that it may use.
        folder: where its files are while it is open; one of its own when left out.
    """

    def __init__(self, memory_mb: int = 2000, threads: int = 2, folder: Path | None = None) -> None:
        self._settings = {"threads": str(threads), "memory_limit": f"{memory_mb}MB", **_CLOSED}
        self._given_folder = folder
        self._opened = contextlib.ExitStack()
        self._tables: list[TopicTable] = []
        self._lines: list[TopicLines] = []
        self._is_shut = self._is_cancelled = False
        self._errors: type[Exception] = SqlError
        self._connection: DuckDBPyConnection

    def open(self) -> None:
        """Get ready.

        Raises:
            MissingExtraError: DuckDB is not installed.
        """
        try:
            import duckdb
        except ModuleNotFoundError:
            raise MissingExtraError("SQL", "sql") from None
        self._errors = duckdb.Error
        self._thread = ThreadPoolExecutor(1, "fakebus sql engine")
        self._opened.callback(self._thread.shutdown)
        self._folder = self._given_folder or Path(
            self._opened.enter_context(tempfile.TemporaryDirectory(prefix="fakebus-sql-"))
        )
        self._connection = duckdb.connect(
            ":memory:", config={**self._settings, **dict.fromkeys(_FOLDERS, str(self._folder))}
        )
        self._opened.callback(self._connection.close)

    def close(self) -> None:
        """Forget all tables, when what is being carried out has ended."""
        # Ctrl-C may have come before anybody waited for it.
        last = self._thread.submit(_do_nothing)
        while wait([last], timeout=_CANCEL_S).not_done:
            self.cancel()
        for lines in self._lines:
            self._opened.callback(lines.close)
        self._opened.close()

    def __enter__(self) -> Self:
        """Get ready; see :meth:`open`."""
        self.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Forget all tables; see :meth:`close`."""
        if exc_type is not None:
            self.cancel()
        self.close()

    def cancel(self) -> None:
        """Let what is being carried out and all that follows end with an error.

        Callable from any thread; what has just begun may have to be told once more.
        """
        self._is_cancelled = True
        with contextlib.suppress(AttributeError, self._errors):
            self._connection.interrupt()

    def abandon(self) -> None:
        """Remove the files of what does not end, though it is told to; the process has to."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def tables(self, text: str) -> list[TableName]:
        """Return the topics that a query reads; see :func:`tables_of`."""
        with self._explained():
            return tables_of(self._connection, text)

    def table(self, topic: str, schemas: SchemaSource[Any] | None) -> TopicLines:
        """Return what the table of a topic is filled by."""
        self.new_table(topic)
        path = self._folder / f"{len(self._tables)}"
        lines = TopicLines(topic, path, schemas, partial(self.load, topic))
        self._lines.append(lines)
        return lines

    def new_table(self, topic: str) -> None:
        """Make the table of a topic, to be filled."""
        with self._explained():
            self._tables.append(TopicTable(self._connection, topic, len(self._tables)))

    def load(self, topic: str, path: Path, longest: int) -> None:
        """Load a part of a topic; see :meth:`TopicTable.load`."""
        with self._explained():
            next(each for each in self._tables if each.topic == topic).load(path, longest)

    def finish(self, wanted: Sequence[TableName]) -> None:
        """Make the filled tables what a query reads, and shut the engine off from all else.

        Args:
            wanted: as :meth:`tables` has returned them.
        """
        with self._explained():
            for lines in self._lines:
                lines.finish()
            for table in self._tables:
                mine = [each.latest for each in wanted if each.topic == table.topic]
                self._in_thread(
                    partial(table.finish, latest=True in mine, all_records=False in mine)
                )

    def run(self, text: str, rows_at_once: int = _ROWS_AT_ONCE) -> Result:
        """Carry a query out over the tables that there are.

        Args:
            text: the query.
            rows_at_once: how many are taken from the engine, and held, at a time.

        Raises:
            SqlError: it fails, or is cancelled.
        """
        with self._explained():
            self._shut()
            found = self._in_thread(partial(self._connection.execute, text))
            described = found.description or ()
        columns, kinds = [each[0] for each in described], [each[1] for each in described]
        return Result(columns, kinds, self._rows(rows_at_once))

    def _rows(self, at_once: int) -> Iterator[Sequence[Any]]:
        while True:
            with self._explained():
                rows = self._in_thread(partial(self._connection.fetchmany, at_once))
            if not rows:
                return
            yield from rows

    def write(self, text: str, path: Path) -> int:
        """Write the result of a query to a file, and return how many rows it has.

        What the file holds is overwritten, and lost if the query fails.

        Raises:
            SqlError: it fails, or the end of the file's name is not known.
        """
        end = path.suffix.lower()
        if end not in FORMATS:
            raise SqlError(f"{path.name} does not end in one of {', '.join(FORMATS)}")
        if end != PARQUET:
            result = self.run(text)
            with path.open("w", encoding="utf-8", newline="") as file:
                return write_text(result, file, end)
        with self._explained():
            self._shut(path.absolute())
            return self._in_thread(partial(self._copy, text.strip().rstrip(";"), path.absolute()))

    def _copy(self, asked: str, path: Path) -> int:
        from duckdb import ConversionException

        # A file that is there is written in place: another one beside it is not allowed.
        target = f"{literal(str(path))} (FORMAT PARQUET, USE_TMP_FILE false)"

        def copy(source: str) -> int:
            [(rows,)] = self._connection.execute(f"COPY {source} TO {target}").fetchall()
            return int(rows)

        probe = f"SELECT * FROM ({asked}\n) LIMIT 0"  # noqa: S608 - a query is what is asked
        types = {
            identifier(name): of
            for name, of, *_ in self._connection.execute(probe).description or ()
        }
        if all(file_type(kind, SIGNED) == str(kind) for kind in types.values()):
            return copy(f"({asked}\n)")

        def cast(whole: str) -> str:
            columns = (
                f"CAST({name} AS {file_type(kind, whole)}) AS {name}"
                for name, kind in types.items()
            )
            return f"(SELECT {', '.join(columns)} FROM ({asked}\n))"  # noqa: S608 - so is it here

        try:
            return copy(cast(SIGNED))
        except ConversionException:
            return copy(cast(DECIMAL))

    def _in_thread(self, call: Callable[[], _T]) -> _T:
        return self._thread.submit(call).result()

    def _shut(self, path: Path | None = None) -> None:
        """Shut the engine off from files and networks, but for a file that is written."""
        if self._is_shut:
            return
        self._is_shut = True
        if path is not None:
            self._connection.execute(f"SET allowed_paths = [{literal(str(path))}]")
        for setting in ("enable_external_access = false", "lock_configuration = true"):
            self._connection.execute(f"SET {setting}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        if self._is_cancelled:
            raise SqlError("the query was cancelled")
        try:
            yield
        except self._errors as error:
            raise SqlError(_text(error)) from None


def _text(error: Exception) -> str:
    """Return what an error of the engine says, on one line and without its page of advice."""
    return " ".join(str(error).split("Possible solutions:")[0].split())[:1000]
