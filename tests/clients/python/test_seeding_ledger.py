"""One ledger of what was seeded, whichever door the events came in by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.config import Settings
from fakebus.fixture_files.problems import FixtureError

pytestmark = pytest.mark.clients

ANY_PORT = Address("127.0.0.1", 0)
SET = "version: 1\ntopics:\n  - {name: t, value: {format: string}, load: t.ndjson}\n"


@pytest.fixture
def fixtures(tmp_path: Path) -> Path:
    directory = tmp_path / "set"
    directory.mkdir()
    (directory / "fakebus.yaml").write_text(SET)
    write(directory, "one")
    return directory


def write(directory: Path, *values: str) -> None:
    lines = [f'{{"value": "{value}"}}\n' for value in values]
    (directory / "t.ndjson").write_text("".join(lines))


@contextmanager
def bus(data: Path | None, *fixtures: Path) -> Iterator[str]:
    """Run a bus, seeded as ``fakebus up`` does, and give its address."""
    settings = Settings(data=data, kafka=(ANY_PORT,), http=(), fixtures=fixtures)
    with BusThread(FakeBus(settings)) as running:
        yield running.bus.bootstrap_servers


def seed(servers: str, directory: Path, *, code: int = 0) -> None:
    assert run(["fixtures", "seed", str(directory), "--bootstrap-server", servers]) == code


def values(servers: str) -> list[str]:
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["t"])
    found = []
    while (message := consumer.poll(10 if not found else 0.5)) is not None:
        found.append((message.value() or b"").decode())
    consumer.close()
    return found


def test_what_the_bus_seeded_when_it_started_the_command_does_not_write_again(
    fixtures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bus(None, fixtures) as servers:
        seed(servers, fixtures)
        assert "0 events written, 1 already there" in capsys.readouterr().out
        write(fixtures, "one", "two")
        seed(servers, fixtures)
        assert "1 event written, 1 already there" in capsys.readouterr().out
        assert values(servers) == ["one", "two"]


def test_what_the_command_seeded_the_bus_does_not_write_again(
    fixtures: Path, tmp_path: Path
) -> None:
    data = tmp_path / "bus.db"
    with bus(data) as servers:
        seed(servers, fixtures)
    write(fixtures, "one", "two")
    with bus(data, fixtures) as servers:
        assert values(servers) == ["one", "two"]


def test_a_change_is_refused_at_the_other_door_too(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "bus.db"
    with bus(data, fixtures) as servers:
        write(fixtures, "other")
        seed(servers, fixtures, code=2)
        assert "t.ndjson:1:1: this event has changed since" in capsys.readouterr().err
    with pytest.raises(FixtureError, match="this event has changed since"), bus(data, fixtures):
        pass


def test_a_ledger_entry_fits_where_events_have_to_be_small(
    fixtures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(fixtures, *map(str, range(400)))
    configs = {"message.max.bytes": "1000"}
    settings = Settings(data=None, kafka=(ANY_PORT,), http=(), fixtures=(fixtures,), set=configs)
    with BusThread(FakeBus(settings)) as running:
        assert running.bus.record_count() == 400
        seed(running.bus.bootstrap_servers, fixtures)
        assert "0 events written, 400 already there" in capsys.readouterr().out
