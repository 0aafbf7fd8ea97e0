"""Single values in SQLite, kept in memory as well: the MetaStore of the interface."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from fakebus.storage.interface import OnDone, Undo
from fakebus.storage.sqlite_transaction import Operation, Transaction
from fakebus.storage.sqlite_writer import GroupCommitWriter


class SqliteMeta:
    """Values by key; see :class:`~fakebus.storage.interface.MetaStore`.

    Args:
        writer: takes the writes.
        values: what is stored at the start.
    """

    def __init__(self, writer: GroupCommitWriter, values: dict[str, str]) -> None:
        self._writer = writer
        self._stored = values
        self._values = dict(values)

    def get_meta(self, key: str) -> str | None:
        """Return a value as of the last ``set_meta``, or ``None``."""
        return self._values.get(key)

    def set_meta(self, key: str, value: str | None) -> asyncio.Future[None]:
        """Enqueue: keep a value; ``None`` forgets it."""
        done = partial(self._done, {key: value})
        future = self._writer.enqueue_with_future(_set_meta, (key, value), done)
        _put(self._values, key, value)
        return future

    def write_meta(self, key: str, value: str | None, on_done: OnDone, undo: Undo) -> None:
        """Enqueue: keep or forget a value; ``on_done`` runs after the commit."""

        def done(failure: BaseException | None) -> None:
            self._done({key: value}, failure)
            on_done(failure)

        self._writer.enqueue(_set_meta, (key, value), done, 0, undo)
        _put(self._values, key, value)

    def set_all_meta(
        self, values: Mapping[str, str | None], undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep or forget several values, as one write."""
        future = self._writer.enqueue_with_future(
            _set_all_meta, (values,), partial(self._done, values), undo
        )
        for key, value in values.items():
            _put(self._values, key, value)
        return future

    def forget_meta_soon(self, key: str) -> None:
        """Forget a value at once, and in the file with the next write that is stored."""
        self._writer.owe(_set_meta, key, None)
        for values in (self._values, self._stored):
            values.pop(key, None)

    def _done(self, values: Mapping[str, str | None], failure: BaseException | None) -> None:
        for key, value in values.items():
            if failure is None:
                _put(self._stored, key, value)
            else:
                # Everything that waits has failed with it: what is stored is what holds.
                _put(self._values, key, self._stored.get(key))

    def meta_keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with ``prefix``, sorted."""
        return sorted(key for key in self._values if key.startswith(prefix))


def _put(values: dict[str, str], key: str, value: str | None) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value


def _set_meta(transaction: Transaction, key: str, value: str | None) -> None:
    if value is None:
        transaction.execute("DELETE FROM meta WHERE key = ?", (key,))
    else:
        transaction.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def _set_all_meta(transaction: Transaction, values: Mapping[str, str | None]) -> None:
    for key, value in values.items():
        _set_meta(transaction, key, value)


VALUE_WRITES: frozenset[Operation] = frozenset({_set_meta})
"""The operations of this module that may be committed inline."""
