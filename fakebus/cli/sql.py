"""Ask topics by SQL, as tables of their records.

The columns are partition, offset, time (in UTC), key and headers, and the fields of the values,
which are decoded with their schemas (Avro, JSON Schema, Protobuf); values without fields are one
column, value. "TOPIC@latest" has the newest record of each key, without those that are deleted, as
a compacted topic. A name with other signs than letters, digits and _ stands in double quotes. What
a topic has at the beginning is read, nothing is written, and nothing is committed. The SQL is
DuckDB's, with joins, windows, JSON and lists; it needs the extra sql.

Examples:
  fakebus sql 'select currency, sum(total) from orders group by all'
  fakebus sql 'select * from "orders@latest" where total > 100' --json
  fakebus sql "select headers['ce_type'] as type, count(*) from orders group by all"
  fakebus sql 'select o.id, p.carrier from orders o left join parcels p on p.order_id = o.id'
  fakebus sql 'from orders' --output orders.parquet
  fakebus sql 'from orders' --data fakebus.db
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from fakebus.addresses import Address
from fakebus.cli.bootstrap import add_bootstrap_arguments, add_registry_argument, connect
from fakebus.cli.command_settings import path_argument
from fakebus.cli.main import EXIT_INTERRUPTED
from fakebus.cli.output import JSON, TEXT, print_json_line, print_lines, print_table
from fakebus.cli.progress import counter, working
from fakebus.cli.record_lines import Schemas
from fakebus.errors import ConfigError
from fakebus.output_files import read_regular, replacing
from fakebus.sql.cells import plain
from fakebus.sql.engine import Engine
from fakebus.sql.forms import FORMATS, Result, cell_text, csv_lines, json_lines
from fakebus.sql.loading import load
from fakebus.wording import counted

CSV = "csv"
_PATIENCE_S = 2.0
"""How long the engine has to end by itself."""
_MOST_ROWS = 1000
"""Of a table for people, which has to be seen as a whole to be drawn."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus sql``."""
    parser.add_argument("query", metavar="SELECT", help="what is asked, or - for standard input")
    parser.add_argument(
        "--format",
        choices=(TEXT, JSON, CSV),
        help="a table for people (default), an object of JSON on each line, or CSV",
    )
    parser.add_argument(
        "--json", action="store_const", const=JSON, dest="format", help="short for --format json"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=path_argument,
        help=f"write the result to a file, which ends in {', '.join(FORMATS)}",
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it is there")
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=path_argument,
        help="ask a data file of a fakebus, as it is now, instead of a cluster",
    )
    add_registry_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load what the query reads, and print what it answers."""
    text = sys.stdin.read() if arguments.query == "-" else arguments.query
    output: Path | None = arguments.output
    if output is not None and output.suffix.lower() not in FORMATS:
        raise ConfigError(f"--output needs a file that ends in {', '.join(FORMATS)}")
    if output is not None and read_regular(output) and not arguments.force:
        raise ConfigError(
            f"{output} is there already; choose another file, or overwrite it with --force"
        )
    with contextlib.ExitStack() as opened:
        # Put away last, when nothing writes to it any more.
        beside = output and opened.enter_context(replacing(output))
        engine = opened.enter_context(Engine())
        opened.enter_context(_ended_by_ctrl_c(engine, beside))
        wanted = engine.tables(text)
        if wanted:
            with _cluster(arguments):
                connection = connect(arguments, "fakebus sql")
                with working("reading"):
                    load(engine, wanted, connection, Schemas(arguments, connection), counter())
        if beside is not None:
            rows = engine.write(text, beside)
            print_lines(f"{output}: {counted(rows, 'row')}")
        else:
            _print(engine.run(text), arguments.format)
    return 0


@contextlib.contextmanager
def _ended_by_ctrl_c(engine: Engine, unfinished: Path | None) -> Iterator[None]:
    """Let Ctrl-C end the process soon, whatever the engine does, and leave no unfinished file."""
    try:
        yield
    except KeyboardInterrupt:
        # What makes one huge list or text does not look whether it shall end.
        timer = threading.Timer(_PATIENCE_S, _end, [engine, unfinished])
        timer.daemon = True
        timer.start()
        raise


def _end(engine: Engine, unfinished: Path | None) -> None:
    engine.abandon()
    if unfinished is not None:
        unfinished.unlink(missing_ok=True)
    os._exit(EXIT_INTERRUPTED)


@contextlib.contextmanager
def _cluster(arguments: argparse.Namespace) -> Iterator[None]:
    """Let the arguments name a cluster while the block runs: theirs, or one of the data file."""
    if arguments.data is None:
        yield
        return
    from fakebus.app import BusThread, FakeBus
    from fakebus.config import Settings

    any_port = (Address("127.0.0.1", 0),)
    with tempfile.TemporaryDirectory(prefix="fakebus-sql-") as folder:
        copied = Path(folder) / "copy.db"
        _copy(arguments.data, copied)
        with BusThread(FakeBus(Settings(data=copied, kafka=any_port, http=any_port))) as running:
            arguments.bootstrap_server = running.bus.bootstrap_servers
            arguments.registry = running.bus.http_url
            yield


def _copy(source: Path, target: Path) -> None:
    """Copy a data file as it is now, also while a bus writes to it."""
    if not source.is_file():
        raise ConfigError(f"{source} is no file")
    try:
        with (
            contextlib.closing(
                sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
            ) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise ConfigError(f"{source} is no data file of a fakebus: {error}") from None


def _print(result: Result, form: str | None) -> None:
    if form == JSON:
        for line in json_lines(result):
            print_json_line(line)
    elif form == CSV:
        for line in csv_lines(result):
            print_lines(line)
    else:
        _print_for_people(result)


def _print_for_people(result: Result) -> None:
    rows: list[Sequence[str | int | None]] = []
    for row in result.rows:
        if len(rows) == _MOST_ROWS:
            break
        rows.append([each if type(each) is int else cell_text(each) for each in map(plain, row)])
    else:
        print_table(result.columns, rows)
        return
    print_table(result.columns, rows)
    print_lines(
        f"these are the first {_MOST_ROWS} rows; --json, --format csv and --output have them all",
        error=True,
    )
