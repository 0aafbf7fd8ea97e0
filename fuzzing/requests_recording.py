"""Record what the tests say by HTTP and to Redis, for ``make fuzz`` to begin with.

    python -m fuzzing.requests_recording

The tests of the front ends run with this as a plugin of pytest, which keeps the bytes that come in;
of those that are alike, by route and form, a few are kept.
"""

from __future__ import annotations

import base64
import json
import lzma
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fuzzing.requests_corpus import KEPT, Request

TESTS = (
    *("tests/unit/web", "tests/unit/redis"),
    # Made by schemathesis, of the description.
    *("--ignore", "tests/unit/web/test_description.py"),
)
HEARD = "HEARD"
"""Variable of the environment: the file for what was heard."""
MOST_BYTES = 4_000
ALIKE = 2
_NUMBER = re.compile(r"\d+")

_heard: dict[str, set[bytes]] = {"http": set(), "redis": set()}


def _listen(owner: type, name: str, kind: str) -> None:
    receive: Callable[..., Any] = getattr(owner, name)

    def listening(self: Any, data: bytes) -> Any:
        if len(data) <= MOST_BYTES:
            _heard[kind].add(bytes(data))
        return receive(self, data)

    setattr(owner, name, listening)


def pytest_configure() -> None:
    """Listen to all that comes in."""
    from fakebus.redis.protocol import Parser
    from fakebus.web.connection import HttpConnection

    _listen(HttpConnection, "data_received", "http")
    _listen(Parser, "feed", "redis")


def pytest_unconfigure() -> None:
    """Write down what was heard."""
    texts = {k: [base64.b64encode(d).decode() for d in sorted(v)] for k, v in _heard.items()}
    Path(os.environ[HEARD]).write_text(json.dumps(texts))


def _requests(heard: list[bytes]) -> Iterator[Request]:
    for data in heard:
        if (request := Request.parsed(data)) is not None:
            yield request


def _some(heard: list[Any], form: Callable[[Any], object]) -> list[Any]:
    seen: Counter[object] = Counter()
    kept = []
    for each in heard:
        seen[form(each)] += 1
        if seen[form(each)] <= ALIKE:
            kept.append(each)
    return kept


def form_of(request: Request) -> tuple[object, ...]:
    """Return what requests that are alike have in common."""
    path, _, query = request.path.partition("?")
    parts = [part if part.islower() and len(part) < 16 else "*" for part in path.split("/")]
    names = tuple(sorted(re.findall(r"([^&=]+)=", query)))
    fields = tuple(sorted(re.findall(rb'"(\w{1,20})"\s*:', request.body)))[:8]
    return request.method, _NUMBER.sub("0", "/".join(parts)), names, request.label(), fields


def main() -> int:
    """Run the tests, and keep what they said in a file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "heard.json")
        os.environ[HEARD] = str(path)
        pytest.main(["-q", "-p", "fuzzing.requests_recording", "-p", "no:xdist", *TESTS])
        heard = json.loads(path.read_text())
    said = {kind: [base64.b64decode(text) for text in texts] for kind, texts in heard.items()}
    requests = _some(list(_requests(said["http"])), form_of)
    commands = _some(said["redis"], lambda data: _NUMBER.sub("0", data.decode("latin-1"))[:60])
    kept = {
        "http": [base64.b64encode(each.head() + each.body).decode() for each in requests],
        "redis": [base64.b64encode(each).decode() for each in commands],
    }
    KEPT.write_bytes(lzma.compress(json.dumps(kept).encode(), preset=9))
    print(f"{KEPT}: {len(requests)} requests, {len(commands)} commands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
