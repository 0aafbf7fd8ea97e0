"""Answers to queries that come over HTTP: bounded, and beside whatever else the bus does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, NamedTuple

from fakebus.real_time import monotonic
from fakebus.sql.engine import Engine, Result, plain
from fakebus.sql.loading import Run, load_gently
from fakebus.sql.queries import SqlError, TableName

if TYPE_CHECKING:
    from fakebus.broker.turns import Pace
    from fakebus.cluster.interface import Cluster

MOST_ROWS = 10_000
MOST_ANSWER_LETTERS = 20_000_000
"""About, of all cells together."""
MOST_BYTES = 1024 * 1024 * 1024
"""Of the records that a query reads."""
MOST_S = 60.0
_MEMORY_MB = 1000
_LOOK_S = 0.2
"""How often it is looked whether somebody still waits."""
_TURNS = BoundedSemaphore(2)
"""How many queries are carried out at once."""


class Answer(NamedTuple):
    """Answer to a query, as JSON has it."""

    columns: list[str]
    rows: list[list[Any]]
    records: int
    """How many records it has read."""
    complete: bool
    """Whether these are all rows."""


async def answer(
    cluster: Cluster,
    text: str,
    *,
    is_abandoned: Callable[[], bool],
    most_rows: int = MOST_ROWS,
    pace: Pace | None = None,
) -> Answer:
    """Carry a query out, and return its answer.

    Args:
        cluster: where the topics are.
        text: the query.
        is_abandoned: says whether nobody waits for the answer any more; the query ends then.
        most_rows: that are wanted.
        pace: at which the records are read.

    Raises:
        NotFoundError: there is no such topic.
        SqlError: the query fails, takes too long or too much, or has to wait for others.
        MissingExtraError: DuckDB is not installed.
    """
    if not _TURNS.acquire(blocking=False):
        raise SqlError("other queries are being carried out; ask again when they have their answer")
    engine = Engine(_MEMORY_MB, 1)
    thread = ThreadPoolExecutor(1, "fakebus sql")
    run = partial(asyncio.get_running_loop().run_in_executor, thread)
    work = asyncio.ensure_future(_answer(engine, run, cluster, text, most_rows, pace))
    try:
        until = monotonic() + MOST_S
        while not work.done() and monotonic() < until and not is_abandoned():
            await asyncio.wait([work], timeout=_LOOK_S)
        if not work.done():
            raise SqlError(f"the query takes more than {MOST_S:g} s, and was given up")
        return work.result()
    finally:
        is_over = work.done()
        work.cancel()
        # The turn is over only when the thread is done with it.
        closing = thread.submit(engine.close)
        closing.add_done_callback(lambda _: _TURNS.release())
        thread.shutdown(wait=False)
        _end(engine, closing)
        if is_over:
            # Who asks again once there is an answer is not in the way of themselves.
            await asyncio.wrap_future(closing)


def _end(engine: Engine, closing: Future[None]) -> None:
    """Let a query end, again and again until its engine is closed."""
    if not closing.done():
        engine.cancel()
        asyncio.get_running_loop().call_later(_LOOK_S, _end, engine, closing)


async def _answer(
    engine: Engine, run: Run, cluster: Cluster, text: str, most_rows: int, pace: Pace | None
) -> Answer:
    await run(engine.open)
    wanted: list[TableName] = await run(engine.tables, text)
    records = await load_gently(engine, wanted, cluster, MOST_BYTES, run, pace)
    columns, rows, complete = await run(_taken, engine, text, most_rows)
    return Answer(columns, rows, records, complete)


def _taken(engine: Engine, text: str, most_rows: int) -> tuple[list[str], list[list[Any]], bool]:
    found: Result = engine.run(text)
    rows: list[list[Any]] = []
    letters = 0
    for row in islice(found.rows, most_rows):
        if letters > MOST_ANSWER_LETTERS:
            return found.columns, rows, False
        rows.append([plain(cell) for cell in row])
        letters += sum(len(cell) if isinstance(cell, str) else 8 for cell in rows[-1])
    return found.columns, rows, next(found.rows, None) is None
