"""kill -9 at any moment under writers of every kind; ``make torture`` does it a thousand times."""

from __future__ import annotations

from pathlib import Path

import pytest

from torture.kills import play
from torture.writers import WRITERS


@pytest.mark.kill
@pytest.mark.clients
@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    acknowledged = play(tmp_path, cycles=8, seed=20_240_607, longest_s=0.2)
    assert acknowledged["plain"] > 0
    assert acknowledged["idempotent"] > 0
    assert acknowledged.keys() <= WRITERS.keys()
