"""What the commands print: tables for people, plain columns for pipes, JSON for programs.

Nothing else in this package writes to standard output or error, but the line of progress, whose
words are our own: so whatever others have written is escaped once and everywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import stat
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from fakebus.cli.progress import hidden
from fakebus.escaping import printable, printable_json, shortened

TEXT = "text"
JSON = "json"

Cell = str | int | None
_WIDTH = 92
_MOST_INDENTED = 9
_COMMAND = re.compile(r"(?s)(.*?)((?:(?<=:) |  )(?:fakebus|kafka-[a-z-]+\.sh) .+)?")
"""The words before a command that ends a text, and the command with the blanks before it."""
_LEAST_NAME = 12
"""Letters of a name that are shown before other columns are left out."""
_FRAME = 3
"""What a column of a box takes besides its letters."""


def add_format_argument(parser: argparse.ArgumentParser, json_is: str) -> None:
    """Add ``--format``.

    Args:
        parser: the command's parser.
        json_is: what the JSON output is, for the help text.
    """
    parser.add_argument(
        "--format",
        choices=(TEXT, JSON),
        help=f"text for people (default), or {json_is}",
    )
    parser.add_argument(
        "--json", action="store_const", const=JSON, dest="format", help="short for --format json"
    )


def add_repeated_argument(
    parser: argparse._ActionsContainer, name: str, metavar: str, help_text: str
) -> None:
    """Add an option that may be given several times; it is a list, empty at first."""
    text = f"{help_text}; may be given several times"
    default = [] if parser.argument_default is None else parser.argument_default
    parser.add_argument(name, action="append", default=default, metavar=metavar, help=text)


def reader_has_gone() -> bool:
    """Whether the reader of standard output has gone, which only writing would tell otherwise."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):
        return False  # not a file: a test reads it
    if not stat.S_ISFIFO(os.fstat(output).st_mode):
        return False
    poller = select.poll()
    poller.register(output, select.POLLERR)
    return bool(poller.poll(0))


def abandon_output() -> None:
    """Let what is still to be written to standard output go nowhere, as it cannot be written."""
    with suppress(OSError):  # not a file: a test reads it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_lines(*lines: str, error: bool = False, flush: bool = False) -> None:
    """Print lines; each is one line whatever it holds.

    Args:
        lines: without their ends.
        error: print to standard error, with the middle of what is very long left out.
        flush: let a reader at the other end of a pipe have them now.
    """
    stream = sys.stderr if error else sys.stdout
    with hidden():
        for line in lines:
            print(printable(shortened(line) if error else line), file=stream, flush=flush)


def print_text(text: str, *, error: bool = False) -> None:
    """Print a text of several lines, whose breaks are our own: a report, an error."""
    print_lines(*text.split("\n"), error=error, flush=error)


def wrapped(text: str, start: str) -> str:
    """Return a text in lines of a report, which begin below each other behind the first's start.

    A command that it ends with stands in one line, however long, as it may be copied.
    """
    text = printable(text)
    found = _COMMAND.fullmatch(text)
    words, command = (text, "") if found is None else found.groups("")
    indent = " " * min(len(start), _MOST_INDENTED)
    lines = textwrap.wrap(
        words,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=indent,
        # Addresses must survive copying.
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]
    if command and len(lines[-1]) + len(command) <= _WIDTH:
        lines[-1] += command
    elif command:
        lines.append(indent + command.lstrip())
    return "\n".join(lines)


@contextmanager
def screen() -> Iterator[Callable[[], None]]:
    """Take the whole terminal; what is given begins it anew, and its lines come back at the end."""
    sys.stdout.write("\x1b[?1049h\x1b[?25l")
    try:
        yield lambda: print("\x1b[H\x1b[2J", end="")
    finally:
        sys.stdout.write("\x1b[?1049l\x1b[?25h")
        sys.stdout.flush()


def print_json(value: object) -> None:
    """Print a value as JSON, indented."""
    print_json_line(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(line: str) -> None:
    """Print a text that is JSON."""
    with hidden():
        print(printable_json(line))


def print_rows(
    form: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], nothing: str
) -> None:
    """Print rows as a table, or as JSON objects with the columns' names.

    Args:
        form: what ``--format`` says.
        columns: the names.
        rows: the cells.
        nothing: what to say where a table would have no rows.
    """
    if form == JSON:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        print_table(columns, rows)
    else:
        print_lines(nothing)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    title: str = "",
    *,
    is_cropped: bool = False,
) -> None:
    """Print rows beneath column names: boxed on a terminal, aligned by spaces elsewhere.

    Args:
        columns: the names; a column whose cells are all numbers is flush right.
        rows: the cells; ``None`` shows as ``-``.
        title: a line above.
        is_cropped: whether each row is one line of a terminal, whose cells are cut if need be.
    """
    texts = [["-" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    right = [
        bool(rows) and all(isinstance(row[at], int) or row[at] is None for row in rows)
        for at in range(len(columns))
    ]
    if sys.stdout.isatty():
        _print_boxed(columns, texts, right, title, is_cropped=is_cropped)
    else:
        _print_plain(columns, texts, right, title)


def _print_plain(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], title: str
) -> None:
    if title:
        print_lines(title)
    lines = [[column.upper() for column in columns], *rows]
    widths = _widths(lines[0], rows)
    for line in lines:
        cells = (
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(line, widths, right, strict=True)
        )
        print_lines("  ".join(cells).rstrip())


def _print_boxed(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    title: str,
    *,
    is_cropped: bool,
) -> None:
    # rich is slow to import and seldom needed.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if is_cropped:
        kept = _fitting(columns, rows, console.width)
        columns, right = [columns[at] for at in kept], [right[at] for at in kept]
        rows = [[row[at] for at in kept] for row in rows]
    # Of a name a part tells something, of a number none does.
    others = sum(width + _FRAME for width in _widths(columns, rows)[1:])
    most = max(console.width - others - _FRAME - 1, 1)
    table = Table(
        box=box.ROUNDED, title=Text(printable(title)) if title else None, title_justify="left"
    )
    for at, (column, flush) in enumerate(zip(columns, right, strict=True)):
        table.add_column(
            column,
            max_width=None if at or not is_cropped else most,
            justify="right" if flush else "left",
            overflow="ellipsis" if is_cropped else "fold",
            no_wrap=is_cropped,
        )
    for row in rows:
        # As Text, so that square brackets in a value are not taken for markup.
        table.add_row(*map(Text, row))
    with hidden():
        console.print(table)


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(line[at]) for line in (columns, *rows)) for at in range(len(columns))]


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return which columns fit beside each other in so many letters.

    The first one, which may be cut, stays; of the others the last but one is what matters most.
    """
    widths = _widths(columns, rows)
    widths[0] = min(widths[0], _LEAST_NAME)
    kept = list(range(len(columns)))
    order = [*kept[1:-2], *kept[-1:], *kept[-2:-1]] if kept[2:] else kept[1:]
    for at in order:
        if sum(widths[each] + _FRAME for each in kept) + 1 <= width:
            break
        kept.remove(at)
    return kept
