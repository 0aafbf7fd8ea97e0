"""Answers to queries that come over HTTP: bounded, and beside whatever else the bus does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from fakebus.real_time import monotonic
from fakebus.sql.loading import Run, load_gently
from fakebus.sql.process import RemoteEngine, Rows
from fakebus.sql.queries import BusyError, SqlError, TableName

if TYPE_CHECKING:
    from fakebus.broker.turns import Pace
    from fakebus.cluster.interface import Cluster

MOST_ROWS = 10_000
MOST_ANSWER_LETTERS = 20_000_000
"""Of all rows together."""
MOST_BYTES = 1024 * 1024 * 1024
"""Of the records that a query reads."""
MOST_S = 60.0
PATIENCE_S = 10.0
"""How long a query waits for others."""
_LOOK_S = 0.2
"""How often it is looked whether somebody still waits."""
_TURN = BoundedSemaphore(1)
"""Whose query is carried out."""


class Answer(NamedTuple):
    """Answer to a query."""

    columns: list[str]
    rows: BinaryIO
    """One list of JSON, in a file that goes when it is closed."""
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
    most_of_cell: int = 0,
    pace: Pace | None = None,
) -> Answer:
    """Carry a query out, and return its answer.

    Args:
        cluster: where the topics are.
        text: the query.
        is_abandoned: says whether nobody waits for the answer any more; the query ends then.
        most_rows: that are wanted.
        most_of_cell: letters that are wanted of a cell, as text; all as they are if it is 0.
        pace: at which the records are read.

    Raises:
        NotFoundError: there is no such topic.
        SqlError: the query fails, takes too long or too much, or has to wait for others.
        MissingExtraError: DuckDB is not installed.
    """
    await _take_turn(is_abandoned)
    engine = RemoteEngine()
    thread = ThreadPoolExecutor(1, "fakebus sql")
    run = partial(asyncio.get_running_loop().run_in_executor, thread)
    work = asyncio.ensure_future(
        _answer(engine, run, cluster, text, (most_rows, MOST_ANSWER_LETTERS, most_of_cell), pace)
    )
    try:
        until = monotonic() + MOST_S
        while not work.done() and monotonic() < until and not is_abandoned():
            await asyncio.wait([work], timeout=_LOOK_S)
        if not work.done():
            raise SqlError(f"the query takes more than {MOST_S:g} s, and was given up")
        return work.result()
    except BaseException:
        work.add_done_callback(_drop)
        raise
    finally:
        is_over = work.done()
        work.cancel()
        # The turn is over only when the thread is done with it.
        closing = thread.submit(engine.close)
        closing.add_done_callback(lambda _: _TURN.release())
        thread.shutdown(wait=False)
        if is_over:
            # Who asks again once there is an answer is not in the way of themselves.
            await asyncio.wrap_future(closing)
        else:
            _end(engine, closing)


def _drop(work: asyncio.Future[Answer]) -> None:
    """Close the rows of an answer that nobody takes."""
    if not work.cancelled() and work.exception() is None:
        work.result().rows.close()


async def _take_turn(is_abandoned: Callable[[], bool]) -> None:
    until = monotonic() + PATIENCE_S
    while not _TURN.acquire(blocking=False):
        if monotonic() > until or is_abandoned():
            raise BusyError(
                "other queries are being carried out; ask again when they have their answer"
            )
        await asyncio.sleep(_LOOK_S / 4)


def _end(engine: RemoteEngine, closing: Future[None]) -> None:
    """Let a query end, again and again until its engine is closed."""
    if not closing.done():
        engine.cancel()
        asyncio.get_running_loop().call_later(_LOOK_S, _end, engine, closing)


async def _answer(
    engine: RemoteEngine,
    run: Run,
    cluster: Cluster,
    text: str,
    most: tuple[int, int, int],
    pace: Pace | None,
) -> Answer:
    await run(engine.open)
    wanted: list[TableName] = await run(engine.tables, text)
    records = await load_gently(engine, wanted, cluster, MOST_BYTES, run, pace)
    found: Rows = await run(engine.run, text, *most)
    # Not in the thread: nobody would close it for a query that is cancelled meanwhile.
    return Answer(found.columns, found.path.open("rb"), records, found.complete)
