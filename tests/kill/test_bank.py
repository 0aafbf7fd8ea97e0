"""Transfers in transactions stay whole while the bus is killed; `make bank` plays 200 rounds."""

from __future__ import annotations

from pathlib import Path

from tests.kill.bank import play


def test_transfers_stay_whole_while_the_bus_is_killed(tmp_path: Path) -> None:
    assert play(tmp_path, rounds=3).committed
