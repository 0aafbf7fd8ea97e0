"""A disk that is full, a file that goes away: producers are told, readers go on.

The process may write only so many bytes to a file, which SQLite meets as a failing write.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka
import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatableTopic,
    CreateTopicsRequest,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tests.processes import process_of
from tests.wire.client import RawClient
from tests.wire.test_produce_and_fetch import batch, ensure, fetch, produce, values

LIMIT_BYTES = 3_000_000
STORAGE_ERROR = 56


@contextmanager
def bus(directory: Path, limit_bytes: int | None = None, exit_code: int = 0) -> Iterator[RawClient]:
    ready = directory / "ready.json"
    ready.unlink(missing_ok=True)

    def restrict() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    environment = {k: v for k, v in os.environ.items() if not k.startswith("FAKEBUS_")}
    with (
        (directory / "log").open("ab") as log,
        process_of(
            [
                *(sys.executable, "-m", "fakebus", "up", "--data", "bus.db", "--ready-file"),
                *("ready.json", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            ],
            cwd=directory,
            env=environment,
            preexec_fn=restrict,
            stderr=log,
        ) as process,
    ):
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        with RawClient(json.loads(ready.read_text())["bootstrap_servers"]) as client:
            yield client
        process.terminate()
        assert process.wait(60) == exit_code


@pytest.mark.slow
def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path) -> None:
    stored = 0
    with bus(tmp_path, LIMIT_BYTES) as client:
        ensure(client, "t")
        while stored < 100:
            answer = produce(client, "t", batch(b"%05d" % stored + b"x" * 100_000))
            if answer.error_code:
                break
            assert answer.base_offset == stored
            stored += 1
        assert answer.error_code == STORAGE_ERROR
        assert 5 < stored < 100
        assert produce(client, "t", batch(b"x" * 900_000)).error_code == STORAGE_ERROR
        found = fetch(client, "t", 0, partition_max_bytes=10)
        assert (found.error_code, found.high_watermark) == (0, stored)
        create = CreateTopicsRequest(
            topics=[
                CreatableTopic(
                    name=f"new-{'x' * 200}",
                    num_partitions=5000,
                    replication_factor=1,
                    assignments=[],
                    configs=[],
                )
            ],
            timeout_ms=1000,
        )
        assert client.call(ApiKey.CREATE_TOPICS, 7, create).topics[0].error_code == STORAGE_ERROR
        offsets = [
            OffsetCommitRequestPartition(
                partition_index=0, committed_offset=1, committed_metadata="m" * 4000
            )
        ]
        codes = set()
        for number in range(300):
            commit = OffsetCommitRequest(
                group_id=f"g{number}",
                member_id="",
                topics=[OffsetCommitRequestTopic(name="t", partitions=offsets)],
            )
            answer = client.call(ApiKey.OFFSET_COMMIT, 8, commit)
            codes.add(answer.topics[0].partitions[0].error_code)
        assert codes - {0}, "offset commits never met the full disk"
        assert 0 <= min(codes)
    with bus(tmp_path) as client:
        seen: list[bytes | None] = []
        while len(seen) < stored:
            seen += values(fetch(client, "t", len(seen), partition_max_bytes=10).records)
        assert [value[:5] for value in seen if value] == [b"%05d" % n for n in range(stored)]
        assert produce(client, "t", batch(b"again")).base_offset == stored


def test_a_data_file_that_is_deleted_refuses_writes_and_is_told(tmp_path: Path) -> None:
    with bus(tmp_path, exit_code=2) as client:
        ensure(client, "t")
        assert produce(client, "t", batch(b"x")).error_code == 0
        for file in tmp_path.glob("bus.db*"):
            file.unlink()
        answer = produce(client, "t", batch(b"y"))
        assert answer.error_code == STORAGE_ERROR
        assert "was deleted or moved away while it was in use" in answer.error_message
        assert fetch(client, "t", 0).high_watermark == 1
    log = (tmp_path / "log").read_text()
    assert "writes failed" in log
    assert "start it with a backup or a new file" in log.splitlines()[-1]
    assert not (tmp_path / "bus.db").exists()


def outcomes(directory: Path, count: int) -> list[int]:
    """Return what librdkafka is told of that many messages: 0, or the number of an error."""
    told: list[int] = []
    servers = json.loads((directory / "ready.json").read_text())["bootstrap_servers"]
    producer = confluent_kafka.Producer({"bootstrap.servers": servers, "retries": 0})
    for _ in range(count):
        producer.produce(
            "t", b"x" * 1000, on_delivery=lambda error, _: told.append(error.code() if error else 0)
        )
        producer.flush(60)
    return told


@pytest.mark.parametrize("name", ["bus.db-wal", "bus.db"])
def test_a_client_is_refused_once_its_records_would_be_lost_with_a_file_cut_short(
    tmp_path: Path, name: str
) -> None:
    with bus(tmp_path, exit_code=2) as client:
        ensure(client, "t")
        assert outcomes(tmp_path, 20) == [0] * 20
        os.truncate(tmp_path / name, 0)
        assert outcomes(tmp_path, 5) == [STORAGE_ERROR] * 5
    log = (tmp_path / "log").read_text()
    assert f"{name} was overwritten or cut short while it was in use" in log
    assert "with a backup or a new file" in log.splitlines()[-1]


def test_a_client_notices_nothing_of_an_index_cut_short_nor_of_another_program_that_reads(
    tmp_path: Path,
) -> None:
    with bus(tmp_path) as client:
        ensure(client, "t")
        assert outcomes(tmp_path, 5) == [0] * 5
        os.truncate(tmp_path / "bus.db-shm", 0)
        assert outcomes(tmp_path, 5) == [0] * 5
        read = "import sqlite3; print(sqlite3.connect('bus.db').execute('select 1').fetchall())"
        subprocess.run([sys.executable, "-c", read], cwd=tmp_path, check=True)
        assert outcomes(tmp_path, 5) == [0] * 5
    with bus(tmp_path) as client:
        assert fetch(client, "t", 0).high_watermark == 15
