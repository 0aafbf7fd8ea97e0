"""SQL over topics: a query and its answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fakebus.broker.turns import Pace
from fakebus.cluster.interface import NotFoundError
from fakebus.errors import MissingExtraError
from fakebus.sql.answers import Answer, answer
from fakebus.sql.names import identifier
from fakebus.sql.queries import SqlError
from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page

_MOST_ROWS = 500
_MOST_LETTERS = 1000
"""Of a cell."""
_MOST_TOPICS = 100


async def form(call: Call) -> Page:
    """Show the form, with what the address asks, without carrying it out."""
    return await _page(call, call.query.text("query"))


async def ask(call: Call) -> Page:
    """Carry a query out, and show its answer."""
    query = call.form.text("query")
    try:
        found = await answer(
            call.cluster,
            query,
            is_abandoned=lambda: call.is_abandoned,
            most_rows=_MOST_ROWS,
            most_of_cell=_MOST_LETTERS,
            pace=Pace(),
        )
    except (NotFoundError, MissingExtraError, SqlError) as error:
        return await _page(call, query, problem=str(error))
    return await _page(call, query, found=found, rows=await asyncio.to_thread(_rows, found))


def _rows(found: Answer) -> list[list[Any]]:
    with found.rows:
        rows: list[list[Any]] = json.load(found.rows)
    return rows


async def _page(
    call: Call,
    query: str,
    *,
    found: Answer | None = None,
    rows: Sequence[Sequence[Any]] = (),
    problem: str = "",
) -> Page:
    topics = [topic.name for topic in await call.cluster.topics() if not topic.is_internal]
    examples = [
        (name, page_url("sql", query=f"from {identifier(name)} limit 100"))
        for name in topics[:_MOST_TOPICS]
    ]
    return Page(
        template="sql.html",
        status=400 if problem else 200,
        values={
            "query": query,
            "found": found,
            "rows": [["" if cell is None else cell for cell in row] for row in rows],
            "numbers": [
                bool(rows) and all(isinstance(row[at], int | float) for row in rows)
                for at in range(len(found.columns))
            ]
            if found is not None
            else [],
            "problem": problem,
            "examples": examples,
            "more": len(topics) - len(examples),
        },
    )
