"""Isolation of tests from each other: what becomes of a test's doings when it ends."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from fakebus.broker.broker import Broker
from fakebus.broker.snapshots import Snapshot
from fakebus.fixture_files.seeding.ledger import LEDGER_TOPIC
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC


class Isolation(Enum):
    """Kind of isolation."""

    ROLLBACK = "rollback"
    """Everything is as it was before; offsets go back."""
    ADVANCE = "advance"
    """Records are deleted; offsets never go back, and groups keep theirs."""
    NAMESPACE = "namespace"
    """The test has topics and groups of its own, which are deleted."""
    NONE = "none"
    """Everything stays."""


async def advance(broker: Broker, snapshot: Snapshot) -> None:
    """Delete what was written since a snapshot without giving any offset out again.

    The topics that were written to lose all their records; new topics stay, and so do groups and
    their offsets, and what was registered. Configs are put back.
    """
    await broker.settle()
    await broker.config_admin.restore(snapshot.configs)
    for topic in broker.topics:
        copied = snapshot.topics.get(topic.name)
        if copied is not None and dict(topic.config.overrides) != copied.configs:
            await broker.topics.set_configs(topic, copied.configs)
        if topic.name in (SCHEMAS_TOPIC, LEDGER_TOPIC):
            # What is registered or was seeded stays, and this is where it is kept.
            continue
        for log in topic.partitions:
            if log.high_watermark > snapshot.end_of(log):
                await log.delete_records(-1)


async def delete(broker: Broker, wanted: Callable[[str], bool]) -> None:
    """Delete the topics and groups of certain names, whatever clients use them.

    Args:
        broker: the bus.
        wanted: whether a name is one of them.
    """
    coordinator = broker.group_coordinator
    kept = {group: o for group, o in coordinator.all_offsets().items() if not wanted(group)}
    await coordinator.restore_offsets(kept)
    for topic in broker.topics:
        if wanted(topic.name):
            await broker.topics.delete(topic)
