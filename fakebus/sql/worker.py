"""The engine in a process of its own: what a query takes is not the bus's to lose.

Reads questions from standard input and answers on standard output, one JSON object a line:
``{"do": name, …}`` gives ``{"answer": …}`` or ``{"error": text}``. Ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from fakebus.sql.cells import embedded
from fakebus.sql.engine import Engine
from fakebus.sql.queries import SqlError, TableName

_MEMORY_MB = 1000
_MORE_MB = 500
"""That may be taken besides what the engine counts, which texts of a query are not."""
_WORN_KB = 600 * 1024
"""Who has had as much does not give all of it back."""
_ROWS_AT_ONCE = 50


class Worker:
    """Answers to the questions about one query, and then about the next."""

    def __init__(self) -> None:
        self._engine = Engine(_MEMORY_MB, 1)

    def open(self, folder: str) -> None:
        """Begin with a query, whose files are in a folder of who asks: this may be killed."""
        self._engine = Engine(_MEMORY_MB, 1, Path(folder))
        self._engine.open()

    def close(self) -> bool:
        """Forget the query, and say whether another process is better for the next one."""
        self._engine.close()
        # What getrusage tells begins with the memory of the process that has started this one.
        return _status_kb("VmHWM") > _WORN_KB

    def tables(self, text: str) -> list[TableName]:
        """Return the topics that the query reads."""
        return self._engine.tables(text)

    def new_table(self, topic: str) -> None:
        """Make the table of a topic."""
        self._engine.new_table(topic)

    def load(self, topic: str, path: str, longest: int) -> None:
        """Load a part of a topic."""
        self._engine.load(topic, Path(path), longest)

    def finish(self, wanted: list[tuple[str, bool]]) -> None:
        """Make the filled tables what the query reads."""
        self._engine.finish([TableName(*each) for each in wanted])

    def run(
        self, text: str, path: str, most_rows: int, most_letters: int, most_of_cell: int
    ) -> dict[str, Any]:
        """Carry the query out, and write its rows to a file as one list of JSON.

        Args:
            text: the query.
            path: of the file.
            most_rows: that are written.
            most_letters: that are written.
            most_of_cell: letters that are written of a cell, as text; all as they are if it is 0.
        """
        found = self._engine.run(text, _ROWS_AT_ONCE)
        makers = list(map(embedded, found.kinds))
        rows, letters, complete = 0, 0, True
        with Path(path).open("w", encoding="ascii") as file:
            file.write("[")
            for row in islice(found.rows, most_rows):
                cells = [make(cell) for make, cell in zip(makers, row, strict=True)]
                if most_of_cell:
                    cells = [_shortened(cell, most_of_cell) for cell in cells]
                line = json.dumps(cells)
                letters += len(line)
                if letters > most_letters:
                    if not rows:
                        raise SqlError(f"a row has more than {most_letters:,} letters")
                    complete = False
                    break
                file.write(f"{', ' if rows else ''}{line}")
                rows += 1
            file.write("]")
        complete = complete and next(found.rows, None) is None
        return {"columns": found.columns, "complete": complete}


def _shortened(cell: Any, most: int) -> Any:
    if cell is None or isinstance(cell, int | float):
        return cell
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} letters)"


def _status_kb(name: str) -> int:
    """Return a figure of this process in KiB; 0 where the system tells none, as only Linux does."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _bound_memory() -> None:
    """Let the process have so much more memory than now, and be the first that is ended for it."""
    now_kb = _status_kb("VmData")
    if not now_kb:
        # Only Linux holds a process to it.
        return
    with contextlib.suppress(OSError, ValueError):
        most = now_kb * 1024 + (_MEMORY_MB + _MORE_MB) * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Answer questions until there are no more."""
    import duckdb  # noqa: F401 - what comes with it is not counted, and queries need not wait for it

    _bound_memory()
    worker = Worker()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"answer": getattr(worker, question.pop("do"))(**question)}
        except SqlError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "the query needs more memory than it may have"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
