"""Answers to queries that come over HTTP, whatever becomes of who has asked."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from fakebus.cluster.interface import Cluster
from fakebus.sql import answers
from fakebus.sql.queries import SqlError


async def test_the_rows_of_an_answer_that_nobody_takes_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows"
    path.touch()
    opened: list[BinaryIO] = []

    async def late(*_: object) -> answers.Answer:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        opened.append(path.open("rb"))
        return answers.Answer([], opened[0], 0, complete=True)

    monkeypatch.setattr(answers, "_answer", late)
    looks = iter([False])
    with pytest.raises(SqlError, match="given up"):
        await answers.answer(
            cast(Cluster, None), "select 1", is_abandoned=lambda: next(looks, True)
        )
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    assert opened[0].closed
