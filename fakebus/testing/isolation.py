"""Isolation of tests from each other: what becomes of a test's doings when it ends."""

from __future__ import annotations

from enum import Enum

from fakebus.broker.broker import Broker
from fakebus.broker.snapshots import Snapshot
from fakebus.fixture_files import LEDGER_TOPIC
from fakebus.registry.registry import Registry
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC
from fakebus.testing.naming import Namespace, OwnNames
from fakebus.testing.typed import delete_subjects

_KEPT = (SCHEMAS_TOPIC, LEDGER_TOPIC)
"""What is registered or was seeded stays, and this is where it is kept."""


class Isolation(Enum):
    """Kind of isolation."""

    ROLLBACK = "rollback"
    """Everything is as it was before; offsets go back."""
    ADVANCE = "advance"
    """Records are deleted; offsets never go back, and groups keep theirs."""
    NAMESPACE = "namespace"
    """The test has topics and groups of its own, which are deleted."""
    TOPICS = "topics"
    """Names and offsets stay as they are; topics and groups that the test made are deleted."""
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
        if topic.name in _KEPT:
            continue
        for log in topic.partitions:
            if log.high_watermark > snapshot.end_of(log):
                await log.delete_records(-1)


async def names_there(broker: Broker, registry: Registry, namespace: Namespace) -> OwnNames:
    """Return what tells a test's own topics, groups and subjects from those there are now."""
    return OwnNames(
        namespace=namespace,
        topics=frozenset(topic.name for topic in broker.topics),
        groups=frozenset(broker.group_coordinator.names()),
        subjects=frozenset(registry.subjects(deleted=True)),
    )


async def delete(broker: Broker, registry: Registry, own: OwnNames) -> None:
    """Delete a test's topics, groups and subjects, whatever clients use them."""
    for group in broker.group_coordinator.names():
        if own.group(group):
            broker.group_coordinator.dismiss(group, "its test has ended")
            await broker.group_coordinator.delete_group(group)
    for topic in broker.topics:
        if own.topic(topic.name) and not topic.is_internal and topic.name not in _KEPT:
            await broker.topics.delete(topic)
    await delete_subjects(registry, own.subject)
