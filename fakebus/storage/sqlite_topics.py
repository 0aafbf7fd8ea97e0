"""Topics and their log ids in SQLite: the TopicStore of the interface, without load_logs."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from functools import partial
from uuid import UUID

from fakebus.errors import StorageError
from fakebus.storage.interface import TopicRow, Undo
from fakebus.storage.sqlite_connection import WorkerConnection
from fakebus.storage.sqlite_logs import SqliteLogs
from fakebus.storage.sqlite_purge import end_filling, plan_purge
from fakebus.storage.sqlite_transaction import MAX_LOG_ID, MAX_OFFSET, Transaction
from fakebus.storage.sqlite_writer import GroupCommitWriter


class SqliteTopics:
    """Topics by topic id; see :class:`~fakebus.storage.interface.TopicStore`.

    Args:
        writer: takes the writes.
        reader: where reads run.
        logs: told of logs that are deleted.
        next_log_id: the smallest log id that was never used.
    """

    def __init__(
        self,
        writer: GroupCommitWriter,
        reader: WorkerConnection,
        logs: SqliteLogs,
        next_log_id: int,
    ) -> None:
        self._writer = writer
        self.load_topics = reader.reading(_load_topics)
        self._logs = logs
        self._next_log_id = next_log_id

    def next_log_id(self) -> int:
        """Return a log id that no partition has had or will have.

        Raises:
            StorageError: all ids are used up, after some half a million partitions.
        """
        log_id = self._next_log_id
        if log_id > MAX_LOG_ID:
            raise StorageError(
                f"this data file has seen {MAX_LOG_ID} partitions and has no ids left for new "
                "ones; begin a new file"
            )
        self._next_log_id = log_id + 1
        return log_id

    def save_topic(self, topic: TopicRow, undo: Undo | None = None) -> asyncio.Future[None]:
        """Enqueue: insert the topic or replace it (new partitions, changed configs)."""
        dropped: list[int] = []
        return self._writer.enqueue_with_future(
            _save_topic, (topic, dropped), partial(self._dropped, dropped), undo
        )

    def delete_topic(self, topic_id: UUID, undo: Undo | None = None) -> asyncio.Future[None]:
        """Enqueue: forget the topic; its batches leave the file in the background."""
        dropped: list[int] = []
        return self._writer.enqueue_with_future(
            _delete_topic, (topic_id, dropped), partial(self._dropped, dropped), undo
        )

    def _dropped(self, log_ids: list[int], failure: BaseException | None) -> None:
        if failure is None and log_ids:
            self._logs.hide(log_ids)


def read_next_log_id(connection: sqlite3.Connection) -> int:
    """Return one more than the largest log id that was ever stored."""
    [last] = connection.execute(
        """
        SELECT max(seq) FROM (
            SELECT seq FROM sqlite_sequence WHERE name = 'logs'
            UNION SELECT max(log_id) FROM purges UNION SELECT max(log_id) FROM logs
        )
        """
    ).fetchone()
    return 1 if last is None else int(last) + 1


def _save_topic(transaction: Transaction, topic: TopicRow, dropped: list[int]) -> None:
    transaction.execute(
        """
        INSERT INTO topics (topic_id, name, configs) VALUES (?, ?, ?)
        ON CONFLICT (topic_id) DO UPDATE SET name = excluded.name, configs = excluded.configs
        """,
        (topic.topic_id.bytes, topic.name, json.dumps(dict(topic.configs))),
    )
    [number] = transaction.execute(
        "SELECT id FROM topics WHERE topic_id = ?", (topic.topic_id.bytes,)
    ).fetchone()
    before = transaction.execute("SELECT log_id FROM logs WHERE topic = ?", (number,)).fetchall()
    transaction.insert(
        "INSERT INTO logs (log_id, topic, partition)",
        [(log_id, number, index) for index, log_id in enumerate(topic.log_ids)],
        "ON CONFLICT (log_id) DO UPDATE SET topic = excluded.topic, partition = excluded.partition",
    )
    old = {log_id for (log_id,) in before}
    end_filling(transaction, set(topic.log_ids) - old)
    _drop_logs(transaction, old.difference(topic.log_ids), dropped)


def _delete_topic(transaction: Transaction, topic_id: UUID, dropped: list[int]) -> None:
    row = transaction.execute(
        "SELECT id FROM topics WHERE topic_id = ?", (topic_id.bytes,)
    ).fetchone()
    if row is None:
        return
    log_ids = transaction.execute("SELECT log_id FROM logs WHERE topic = ?", row).fetchall()
    _drop_logs(transaction, {log_id for (log_id,) in log_ids}, dropped)
    transaction.execute("DELETE FROM topics WHERE id = ?", row)


def _drop_logs(transaction: Transaction, log_ids: set[int], dropped: list[int]) -> None:
    for log_id in log_ids:
        plan_purge(transaction, log_id, MAX_OFFSET)
    rows = [(log_id,) for log_id in log_ids]
    transaction.executemany("DELETE FROM logs WHERE log_id = ?", rows)
    transaction.executemany("DELETE FROM leader_epochs WHERE log_id = ?", rows)
    dropped.extend(log_ids)


def _load_topics(connection: sqlite3.Connection) -> list[TopicRow]:
    topics: dict[int, tuple[str, UUID, str, list[int]]] = {
        number: (name, UUID(bytes=topic_id), configs, [])
        for number, name, topic_id, configs in connection.execute(
            "SELECT id, name, topic_id, configs FROM topics ORDER BY id"
        )
    }
    for number, log_id in connection.execute(
        "SELECT topic, log_id FROM logs ORDER BY topic, partition"
    ):
        topics[number][3].append(log_id)
    return [
        TopicRow(name=name, topic_id=topic_id, log_ids=tuple(log_ids), configs=json.loads(configs))
        for name, topic_id, configs, log_ids in topics.values()
    ]
