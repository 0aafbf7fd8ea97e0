"""Our bytes against those of two libraries, for every message in every version.

The libraries run in processes of their own, and get the fields by name: two fields of the
same type in the wrong order would survive a mere decode and encode.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random

import pytest

from fakebus.protocol.compiler import message_decoder, message_encoder
from fakebus.protocol.schema import MessageSchema, all_messages
from tests.properties.codec_messages import (
    Values,
    every_version,
    random_values,
    to_message,
    without_default_tags,
)

SAMPLES = 6
KIO_PAIRS = 542
"""Pairs of message and version that kio 0.6 has as well as we do: all of ours."""
KAFKA_PYTHON_PAIRS = 486
"""The same for kafka-python 3.0, which lacks KIP-848, share and streams groups."""

Job = tuple[str, int, Values]


@cache
def jobs() -> list[Job]:
    """Return random messages by name, version and values."""
    found = []
    for message, version in every_version():
        for sample in range(SAMPLES):
            random = Random(f"{message.root.name} {version} {sample}")
            values = random_values(random, message.root, version)
            found.append((message.root.name, version, values))
    return found


@cache
def schemas() -> dict[str, MessageSchema]:
    return {message.root.name: message for message in all_messages()}


@cache
def answers(worker: str) -> list[bytes | str | None]:
    """Return what another library makes of the messages; ``None`` where it has none such."""
    given = jobs()
    if worker == "kafka_python_worker":  # it writes tagged fields even with their default
        given = [
            (n, v, without_default_tags(schemas()[n].root, v, values)) for n, v, values in given
        ]
    script = Path(__file__).with_name(f"{worker}.py")
    done = subprocess.run(
        [sys.executable, script], input=pickle.dumps(given), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    results: list[bytes | str | None] = pickle.loads(done.stdout)  # noqa: S301 - our own script
    return results


WORKERS = pytest.mark.parametrize(
    ("worker", "expected_pairs"),
    [("kio_worker", KIO_PAIRS), ("kafka_python_worker", KAFKA_PYTHON_PAIRS)],
)


@WORKERS
def test_every_message_and_version_that_the_library_has_is_compared(
    worker: str, expected_pairs: int
) -> None:
    pairs = {
        job[:2]
        for job, answer in zip(jobs(), answers(worker), strict=True)
        if isinstance(answer, bytes)
    }
    assert len(pairs) >= expected_pairs


@WORKERS
def test_our_bytes_equal_those_of_the_library(worker: str, expected_pairs: int) -> None:
    for (name, version, values), theirs in zip(jobs(), answers(worker), strict=True):
        if theirs is None:
            continue
        schema = schemas()[name]
        ours = b"".join(message_encoder(schema, version)(to_message(schema.root, values)))
        assert ours == theirs, f"{name} v{version}: {values}"


@WORKERS
def test_we_read_from_the_library_what_was_given_to_it(worker: str, expected_pairs: int) -> None:
    for (name, version, values), theirs in zip(jobs(), answers(worker), strict=True):
        if not isinstance(theirs, bytes):
            continue
        schema = schemas()[name]
        message = message_decoder(schema, version)(memoryview(theirs))
        assert message == to_message(schema.root, values), f"{name} v{version}"
