"""What rows of batches say of others: where they are, how large all up to them are, and how new.

Logs are searched, measured and cut by it, and no CRC covers it: each row is held against the one
before it.
"""

from __future__ import annotations

import sqlite3

from fakebus.storage.damage import Damage, other_row
from fakebus.storage.sqlite_transaction import MAX_OFFSET, OFFSET_BITS

# What compaction has taken out still counts in what follows it, and may have been the newest.
OTHER_TOTALS = f"""
SELECT id FROM (
    SELECT id, cumulative_bytes - length(data) - before_bytes AS gap,
           max(before_newest, max_timestamp) AS least, running_max_timestamp AS newest, (
               SELECT ifnull(sum(bytes), 0) FROM freed_bytes
               WHERE log_id = id >> {OFFSET_BITS}
               AND from_offset > before_id & {MAX_OFFSET} AND from_offset <= id & {MAX_OFFSET}
           ) AS freed
    FROM (
        SELECT id, max_timestamp, running_max_timestamp, cumulative_bytes, data,
               lag(id) OVER by_id AS before_id, lag(cumulative_bytes) OVER by_id AS before_bytes,
               lag(running_max_timestamp) OVER by_id AS before_newest
        FROM batches WINDOW by_id AS (ORDER BY id)
    ) WHERE before_id >> {OFFSET_BITS} = id >> {OFFSET_BITS}
) WHERE gap <> freed OR newest < least OR (newest > least AND NOT freed) LIMIT 1
"""  # noqa: S608 - no text from outside
"""Finds the first batch whose totals are not those of the one before and its own."""


OUT_OF_PLACE = f"""
SELECT id FROM batches WHERE id & {MAX_OFFSET} > last_offset OR NOT (
    EXISTS (SELECT 1 FROM logs WHERE log_id = id >> {OFFSET_BITS})
    OR EXISTS (SELECT 1 FROM purges WHERE log_id = id >> {OFFSET_BITS})
) LIMIT 1
"""  # noqa: S608 - no text from outside
"""Finds the first batch whose number says that it ends before it begins, or is of no log."""


def changed_batch(connection: sqlite3.Connection) -> Damage | None:
    """Find a batch that its log, or what is before it, knows otherwise, the first that there is."""
    for row_id in connection.execute(OUT_OF_PLACE):
        return out_of_place(*row_id)
    for row_id in connection.execute(OTHER_TOTALS):
        return other_totals(*row_id)
    return None


def out_of_place(row_id: int) -> Damage:
    """Return the damage of a batch that is of no log, or ends before it begins."""
    return other_row("batches", f"id = {row_id}")


def other_totals(row_id: int) -> Damage:
    """Return the damage of a batch whose totals are not what the one before it says."""
    log_id = row_id >> OFFSET_BITS
    return Damage(
        f"the row of table batches with id = {row_id}, or the one before it, is not as it was "
        "written: how large and how new all before it are",
        "UPDATE batches SET cumulative_bytes = bytes, running_max_timestamp = newest FROM "  # noqa: S608
        "(SELECT id AS row_id, sum(length(data)) OVER by_id AS bytes, "
        "max(max_timestamp) OVER by_id AS newest FROM batches "
        f"WHERE id BETWEEN {log_id << OFFSET_BITS} AND {log_id << OFFSET_BITS | MAX_OFFSET} "
        "WINDOW by_id AS (ORDER BY id)) WHERE id = row_id; "
        f"DELETE FROM freed_bytes WHERE log_id = {log_id}",
        "have it counted anew",
    )
