"""The schema of the data file, as the steps that lead to it.

``PRAGMA application_id`` says that a file is ours, ``PRAGMA user_version`` which steps it has
seen. A step is never changed once it was released; a new schema is a new step at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain

from fakebus.errors import StorageError
from fakebus.storage.damage import SUMMED_LATER, add_sum_function, sums

APPLICATION_ID = 0x46614B65
"""``FaKe`` in ASCII, in the header of every data file."""

Migration = tuple[str, ...]
"""The SQL statements of one step."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # id is the order of creation.
        """
        CREATE TABLE topics (
            id INTEGER PRIMARY KEY,
            topic_id BLOB NOT NULL UNIQUE,
            name TEXT NOT NULL UNIQUE,
            configs TEXT NOT NULL
        )
        """,
        # AUTOINCREMENT remembers the largest id that was ever used, in sqlite_sequence.
        """
        CREATE TABLE logs (
            log_id INTEGER PRIMARY KEY AUTOINCREMENT,
            topic INTEGER NOT NULL REFERENCES topics (id),
            partition INTEGER NOT NULL,
            log_start_offset INTEGER NOT NULL DEFAULT 0
        )
        """,
        "CREATE INDEX logs_by_topic ON logs (topic, partition)",
        # id is log_id << 44 | base_offset. running_max_timestamp and cumulative_bytes cover
        # the log up to and with this batch; they never fall, so they can be searched by
        # halves without an index. The bytes come last: what stands before them is read
        # without their overflow pages.
        """
        CREATE TABLE batches (
            id INTEGER PRIMARY KEY,
            last_offset INTEGER NOT NULL,
            max_timestamp INTEGER NOT NULL,
            running_max_timestamp INTEGER NOT NULL,
            cumulative_bytes INTEGER NOT NULL,
            producer_id INTEGER,
            producer_epoch INTEGER NOT NULL,
            base_sequence INTEGER NOT NULL,
            attributes INTEGER NOT NULL,
            data BLOB NOT NULL
        )
        """,
        # Batches without a producer id hold NULL and are not in the index. It is grouped by
        # log, so that the producers of one log are found without a look at those of others.
        """
        CREATE INDEX batches_by_producer ON batches (id >> 44, producer_id)
        WHERE producer_id IS NOT NULL
        """,
        # Batches below before_offset that are no longer visible and still take up space.
        """
        CREATE TABLE purges (
            log_id INTEGER PRIMARY KEY,
            before_offset INTEGER NOT NULL
        )
        """,
        "CREATE TABLE groups (group_id TEXT PRIMARY KEY, snapshot BLOB) WITHOUT ROWID",
        """
        CREATE TABLE group_offsets (
            group_id TEXT NOT NULL,
            topic TEXT NOT NULL,
            partition INTEGER NOT NULL,
            "offset" INTEGER NOT NULL,
            leader_epoch INTEGER NOT NULL,
            metadata TEXT NOT NULL,
            commit_timestamp_ms INTEGER NOT NULL,
            PRIMARY KEY (group_id, topic, partition)
        ) WITHOUT ROWID
        """,
    ),
    (
        "ALTER TABLE group_offsets ADD COLUMN expire_timestamp_ms INTEGER",
        # Batches below this offset went through compaction.
        "ALTER TABLE logs ADD COLUMN first_dirty_offset INTEGER NOT NULL DEFAULT 0",
        # cumulative_bytes still counts what compaction has taken out: the totals of batches
        # from from_offset on are larger by so many bytes, compared to those before it.
        """
        CREATE TABLE freed_bytes (
            log_id INTEGER NOT NULL,
            from_offset INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            PRIMARY KEY (log_id, from_offset)
        ) WITHOUT ROWID
        """,
    ),
    (
        # Where the leader epochs after the first one began in a log.
        """
        CREATE TABLE leader_epochs (
            log_id INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            start_offset INTEGER NOT NULL,
            PRIMARY KEY (log_id, epoch)
        ) WITHOUT ROWID
        """,
    ),
    (
        "CREATE TABLE snapshots (name TEXT PRIMARY KEY, content TEXT NOT NULL)",
        # Changes of what snapshots hold, in their order, and the batches that began there before.
        """
        CREATE TABLE log_changes (
            id INTEGER PRIMARY KEY,
            log_id INTEGER NOT NULL,
            from_offset INTEGER NOT NULL,
            upto_offset INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE kept_batches (
            change INTEGER NOT NULL,
            base_offset INTEGER NOT NULL,
            last_offset INTEGER NOT NULL,
            max_timestamp INTEGER NOT NULL,
            producer_id INTEGER,
            producer_epoch INTEGER NOT NULL,
            base_sequence INTEGER NOT NULL,
            attributes INTEGER NOT NULL,
            data BLOB NOT NULL
        )
        """,
        "CREATE INDEX kept_batches_by_change ON kept_batches (change, base_offset)",
    ),
    (
        # Topics, groups, verbs and kinds of the tables below, as numbers.
        "CREATE TABLE lineage_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        "INSERT INTO lineage_names VALUES (0, '')",
        """
        CREATE TABLE lineage_clients (
            client INTEGER PRIMARY KEY,
            first_seen_ms INTEGER NOT NULL,
            last_seen_ms INTEGER NOT NULL,
            facts TEXT NOT NULL
        )
        """,
        # span is the smallest aligned range of 2**n offsets that holds first to last.
        """
        CREATE TABLE notes (
            seq INTEGER PRIMARY KEY,
            at_ms INTEGER NOT NULL,
            until_ms INTEGER NOT NULL,
            verb INTEGER NOT NULL,
            client INTEGER NOT NULL,
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            span INTEGER,
            group_name INTEGER NOT NULL,
            member TEXT NOT NULL,
            detail TEXT NOT NULL
        )
        """,
        """
        CREATE INDEX notes_by_span ON notes (topic, partition, span, verb, first, last)
        WHERE span IS NOT NULL
        """,
        "CREATE INDEX notes_by_client ON notes (client, seq, verb)",
        """
        CREATE INDEX notes_by_group ON notes (group_name, verb, topic, partition)
        WHERE group_name > 0
        """,
        """
        CREATE TABLE identities (
            id INTEGER PRIMARY KEY,
            kind INTEGER NOT NULL,
            value BLOB NOT NULL,
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            "offset" INTEGER NOT NULL,
            rule INTEGER NOT NULL
        )
        """,
        "CREATE INDEX identities_by_value ON identities (value, kind)",
        'CREATE INDEX identities_by_place ON identities (topic, partition, "offset")',
        """
        CREATE TABLE identity_positions (
            topic TEXT NOT NULL,
            partition INTEGER NOT NULL,
            "offset" INTEGER NOT NULL,
            PRIMARY KEY (topic, partition)
        ) WITHOUT ROWID
        """,
    ),
    (
        # Verbs, kinds and rules are few and stay; names of topics and groups go with their rows.
        "ALTER TABLE lineage_names ADD COLUMN is_word INTEGER NOT NULL DEFAULT 0",
        """
        UPDATE lineage_names SET is_word = 1 WHERE id IN (
            SELECT verb FROM notes UNION SELECT kind FROM identities
            UNION SELECT rule FROM identities
        )
        """,
        "CREATE INDEX notes_by_topic ON notes (topic) WHERE span IS NULL AND topic > 0",
    ),
    # 65536 is ABORT_FLAG of the interface: few batches are in it, if any.
    ("CREATE INDEX abort_markers ON batches (id >> 44) WHERE attributes & 65536",),
    # Snapshots may be compressed: what was written before is text.
    (),
    sums(),
    (
        "ALTER TABLE notes ADD COLUMN sum INTEGER",
        "ALTER TABLE identities ADD COLUMN sum INTEGER",
        *sums(SUMMED_LATER),
        """
        UPDATE lineage_clients
        SET facts = with_facts_sum(client, first_seen_ms, last_seen_ms, facts)
        """,
    ),
)


def check_version(version: int, latest: int, name: str) -> None:
    """Refuse a file that a newer fakebus has written.

    Args:
        version: the file's ``user_version``.
        latest: the newest version that this fakebus knows.
        name: what the message calls the file.

    Raises:
        StorageError: the file is newer.
    """
    if version > latest:
        raise StorageError(
            f"{name} was written by a newer fakebus: the file has version {version}, this "
            f"fakebus knows versions up to {latest}. Upgrade fakebus or choose another file."
        )


def migrate(
    connection: sqlite3.Connection, name: str, migrations: Sequence[Migration] = MIGRATIONS
) -> bool:
    """Bring a database to the newest version in one transaction.

    Each transaction waits for the disk four times, and a new file takes all steps.

    Args:
        connection: in autocommit mode.
        name: what messages call the database.
        migrations: all steps there are, oldest first.

    Returns:
        Whether there was anything to do.

    Raises:
        StorageError: the database is newer than the last step.
        sqlite3.Error: a step failed; the database is as it was.
    """
    add_sum_function(connection)
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    check_version(version, len(migrations), name)
    if version == len(migrations):
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in chain.from_iterable(migrations[version:]):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True
