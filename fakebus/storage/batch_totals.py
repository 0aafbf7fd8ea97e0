"""Totals in the rows of batches: how large all of a log up to a batch are, and how new.

Logs are searched, measured and cut by them, and no CRC covers them: each is held against the row
before it.
"""

from __future__ import annotations

import sqlite3

from fakebus.storage.damage import Damage
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


def changed_totals(connection: sqlite3.Connection) -> Damage | None:
    """Find totals that are not those of the batch before and its own, the first that there are."""
    found = connection.execute(OTHER_TOTALS).fetchone()
    return None if found is None else other_totals(*found)


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
