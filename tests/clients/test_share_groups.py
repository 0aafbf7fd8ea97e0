"""Share consumers in other languages do with the bus what they do with Kafka (KIP-932)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.programs import Program
from tests.clients.scenarios import Row, assert_same, numbered

pytest_plugins = ["tests.clients.program_fixtures"]
pytestmark = [pytest.mark.clients, pytest.mark.xdist_group("other-languages")]

Unique = Callable[[str], str]
ACCEPT, RELEASE, REJECT, RENEW = ["ACCEPT"], ["RELEASE"], ["REJECT"], ["RENEW"]


@pytest.fixture
def java(program_of: Callable[[str], Program]) -> Program:
    """Apache Kafka's own client."""
    return program_of("java")


@pytest.fixture
def group(java: Program, unique: Unique) -> str:
    """A share group that reads topics from their beginning."""
    name = unique("share")
    java.call("share_configs", group=name, set={"share.auto.offset.reset": "earliest"})
    return name


def values(rows: list[Row]) -> list[Any]:
    return sorted(row["value"] for row in rows)


def test_an_accepted_record_is_not_given_to_another_share_consumer(
    java: Program,
    group: str,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic = create_topic(unique("topic"), 1)
    produce(topic, numbered(3, partitions=1))

    first = java.call("share", topic=topic, group=group, count=3, acknowledge=ACCEPT)
    second = java.call("share", topic=topic, group=group, count=1, acknowledge=ACCEPT, wait_ms=1500)

    assert_same(values(first), ["value-0", "value-1", "value-2"])
    assert {row["deliveries"] for row in first} == {1}
    assert second == []
