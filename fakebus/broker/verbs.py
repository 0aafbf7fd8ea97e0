"""Verbs of activities: what can be noted, and what it says of the client."""

from __future__ import annotations

from collections.abc import Mapping

VERBS: Mapping[str, str] = {
    "produced": "wrote a range of offsets",
    "seeded": "wrote it from fixture files; the detail is file:line of each record",
    "replayed": "wrote it again; the detail says from where",
    "fetched": "was sent a range of offsets",
    "committed": "committed behind an offset, for a group",
    "transaction committed": "the member is its transactional id",
    "transaction aborted": "the member is its transactional id; the detail says why",
    "acknowledged": "acknowledged records one by one, as share groups and streams of Redis do",
    "released": "gave records back to its share group, for any member to get them again",
    "given up": "records that nobody of a share group gets any more; the detail says why",
    "skipped": "passed offsets for a group that no member was sent; the detail says how",
    "commit refused": "was not allowed to commit; the detail is Kafka's error",
    "out of range": "fetched from an offset that is not there",
    "joined": "became, or stays, a member; the detail names the topics",
    "was assigned": "got partitions, which the detail names",
    "left": "left its group",
    "expelled": "was taken out of its group; the detail says why",
    "rebalancing": "a group lets all members join again; the detail says why",
    "asked for": "asked for a topic that was not there; the detail says whether it was created",
    "found": "was told the offset that its group has committed, -1 for none",
    "looked up": "was told the earliest or latest offset, which the detail says",
    "fault fired": "met a fault that is switched on; the detail is the rule",
    "schema registered": "the detail is subject and version",
    "topic created": "",
    "topic deleted": "",
    "topic changed": "the detail names the configs",
    "records deleted": "a range of offsets is gone; the detail says why",
    "connects": "the detail is its software and address; not kept",
    "fetches": "fetches a partition for the first time, from an offset on; not kept",
}
"""What can be noted, and what it says of the client."""
WRITTEN = ("produced", "seeded", "replayed")
"""How records come into a log."""
NOT_KEPT = ("connects", "fetches")
TRANSACTION_ENDS = ("transaction committed", "transaction aborted")
FREQUENT = ("produced", "fetched", "committed", "transaction committed", "acknowledged")
"""What crowds out the rest."""
