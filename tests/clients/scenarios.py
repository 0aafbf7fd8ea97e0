"""What scenarios of clients in other languages have in common: their parameters and checks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.build import CLIENTS
from tests.clients.programs import KafkaError, Program

Row = dict[str, Any]

FIRST_TIME = 1_700_000_000_000
"""Timestamps of records start here, in ms since 1970: far from the present."""


def clients(*needs: str) -> pytest.MarkDecorator:
    """Parametrise a scenario over the clients that have what it needs."""
    able = [client.name for client in CLIENTS.values() if not client.lacks & set(needs)]
    assert able, f"no client has {needs}"
    return pytest.mark.parametrize("client", able)


def has(client: str, feature: str) -> bool:
    """Say whether a client has a command or feature."""
    return feature not in CLIENTS[client].lacks


def assert_same(actual: list[Any], expected: list[Any]) -> None:
    """Compare, and refuse to compare nothing with nothing."""
    assert expected, "the scenario expects nothing"
    assert actual == expected


def error_code(program: Program, command: str, **arguments: Any) -> int:
    """Run a command that the broker must refuse, and return Kafka's number of the error."""
    with pytest.raises(KafkaError) as raised:
        program.call(command, **arguments)
    return raised.value.code


def numbered(count: int, partitions: int = 3) -> list[Row]:
    """Return records that differ, dealt out to the partitions in turn."""
    return [
        {"partition": n % partitions, "key": f"key-{n}", "value": f"value-{n}"}
        for n in range(count)
    ]


def in_log_order(records: list[Row]) -> list[Row]:
    """Sort records by partition, then offset."""
    return sorted(records, key=lambda record: (record["partition"], record["offset"]))
