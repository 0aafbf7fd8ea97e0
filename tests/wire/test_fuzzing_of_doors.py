"""Requests of HTTP and Redis made wrong: a part of what ``make fuzz`` does, without its clock."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from fuzzing.bus import FuzzedBus
from fuzzing.requests_corpus import Request
from fuzzing.requests_mutation import MOST_REPEATED_BYTES, RequestMutator
from fuzzing.sources import DOORS, source_of

REQUESTS = 120


@pytest.mark.parametrize("door", DOORS)
def test_mutated_requests_are_answered_whatever_they_are_unless_they_have_no_end(
    door: str, tmp_path: Path
) -> None:
    with FuzzedBus(tmp_path) as bus:
        source = source_of(door, bus, random.Random(1))
        source.send_some(REQUESTS)
        source.close()
    assert source.problems == []
    figures = source.figures()
    assert sum(figures[name] for name in figures if name.startswith("answered ")) > REQUESTS // 2
    assert list(bus.problems(math.inf, math.inf)) == []


def test_no_request_grows_so_large_that_others_time_out_while_it_is_made() -> None:
    # Of a list of long texts that is repeated again and again there would soon be gigabytes.
    body = json.dumps([["x" * 1000]]).encode()
    request = Request("POST", "/", (("Content-Type", "application/json"),), body)
    mutator = RequestMutator([request], random.Random(0))
    made = (sum(map(len, mutator.request().pieces)) for _ in range(1000))
    assert max(made) < 20 * MOST_REPEATED_BYTES
