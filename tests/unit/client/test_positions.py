"""Positions in a log as people write them."""

from __future__ import annotations

import argparse

import pytest

from fakebus.cli import tail
from fakebus.client.offsets import LogRange, resolve
from fakebus.client.positions import Position, PositionKind, parse_position
from fakebus.errors import ConfigError
from fakebus.types import TopicPartition

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("earliest", PositionKind.EARLIEST, 0),
        ("Latest", PositionKind.LATEST, 0),
        ("42", PositionKind.OFFSET, 42),
        ("-10", PositionKind.LAST, 10),
        ("-5m", PositionKind.TIME, NOW - 300_000),
        ("-1h30m", PositionKind.TIME, NOW - 5_400_000),
        ("1970-01-01T00:00:01Z", PositionKind.TIME, 1000),
        ("1970-01-01T02:00:00+02:00", PositionKind.TIME, 0),
    ],
)
def test_a_position_is_read(text: str, kind: PositionKind, number: int) -> None:
    assert parse_position(text, NOW) == Position(kind=kind, number=number)


@pytest.mark.parametrize("text", ["", "soon", "-", "+5m", "5m", "-m", "1.5", "2024-13-01"])
def test_what_is_no_position_is_refused_with_the_ways_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="earliest, latest, an offset"):
        parse_position(text, NOW)


@pytest.mark.parametrize("text", ["-10", "-5m", "earliest"])
def test_a_position_that_begins_with_a_dash_is_no_option(text: str) -> None:
    parser = argparse.ArgumentParser()
    tail.configure(parser.add_subparsers().add_parser("tail"))
    assert parser.parse_args(["tail", "orders", "--from", text, "--exit"]).start == text


@pytest.mark.parametrize(
    ("position", "offset"),
    [
        (Position(kind=PositionKind.EARLIEST), 5),
        (Position(kind=PositionKind.LATEST), 9),
        (Position(kind=PositionKind.OFFSET, number=7), 7),
        (Position(kind=PositionKind.OFFSET, number=2), 5),
        (Position(kind=PositionKind.OFFSET, number=99), 9),
        (Position(kind=PositionKind.LAST, number=3), 6),
        (Position(kind=PositionKind.LAST, number=30), 5),
    ],
)
def test_an_offset_outside_the_log_becomes_its_nearest_end(position: Position, offset: int) -> None:
    partition = TopicPartition("orders", 0)
    # Only points in time are asked of the cluster, so none is needed here.
    found = resolve(None, {partition: position}, {partition: LogRange(start=5, end=9)})  # type: ignore[arg-type]
    assert found == {partition: offset}
