"""One ledger of what was seeded, whichever door the events came in by."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest
import requests
from confluent_kafka import Consumer, Producer, TopicPartition

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.client import seed_log
from fakebus.client.connection import Connection
from fakebus.client.publishing import Publisher
from fakebus.client.reachability import parse_servers
from fakebus.client.seed_log import SeedLog
from fakebus.client.seeding import SetSeeder, seed_directory
from fakebus.config import Settings
from fakebus.fixture_files.problems import FixtureError
from fakebus.fixture_files.seeding.ledger import Ledger
from fakebus.real_time import monotonic
from fakebus.records.record import NewRecord

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
def bus(data: Path | None, *fixtures: Path, reset: bool = False) -> Iterator[str]:
    """Run a bus, seeded as ``fakebus up`` does, and give its address."""
    settings = Settings(data=data, kafka=(ANY_PORT,), http=(), fixtures=fixtures, reset=reset)
    with BusThread(FakeBus(settings)) as running:
        yield running.bus.bootstrap_servers


def seed(servers: str, directory: Path, *, code: int = 0) -> None:
    assert run(["fixtures", "seed", str(directory), "--bootstrap-server", servers]) == code


def values(servers: str, topic: str = "t") -> list[str]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "g"})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    places = [TopicPartition(topic, each, 0) for each in partitions]
    consumer.assign(places)
    left = sum(consumer.get_watermark_offsets(each)[1] for each in places)
    found: list[str] = []
    while len(found) < left:
        message = consumer.poll(60)
        assert message is not None, found
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


def test_what_the_command_writes_is_told_as_seeded_from_its_file(fixtures: Path) -> None:
    with FakeBus.thread(Settings(data=None, kafka=(ANY_PORT,), http=(ANY_PORT,))) as running:
        seed(running.bootstrap_servers, fixtures)
        flow = requests.get(f"{running.http_url}/_fakebus/v1/flow?record=t[0]@0", timeout=60).json()
    (record,) = flow["records"]
    assert record["origin"] == "seeded"
    assert record["origin_detail"].endswith("t.ndjson")


def test_what_the_command_seeded_the_bus_does_not_write_again(
    fixtures: Path, tmp_path: Path
) -> None:
    data = tmp_path / "bus.db"
    with bus(data) as servers:
        seed(servers, fixtures)
    write(fixtures, "one", "two")
    with bus(data, fixtures) as servers:
        assert values(servers) == ["one", "two"]


class Killed(BaseException):
    """End of a process in the middle of seeding."""


def die_after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    left = iter(range(calls))

    def call(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return function(*arguments)

    return call


@pytest.mark.parametrize("by_the_bus", [False, True])
@pytest.mark.parametrize("sent", range(6))
def test_a_seed_that_was_killed_writes_nothing_twice(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: int, by_the_bus: bool
) -> None:
    write(fixtures, *"abcde")
    (fixtures / "fakebus.yaml").write_text(SET.replace("t,", "t, partitions: 2,"))
    data = tmp_path / "bus.db"
    send, left = Publisher.send, iter(range(sent))

    def send_or_die(self: Publisher, topic: str, *arguments: Any) -> None:
        if topic == "t" and next(left, None) is None:
            self.flush()
            raise Killed
        send(self, topic, *arguments)

    with bus(data) as servers:
        with monkeypatch.context() as patch:
            patch.setattr(Publisher, "send", send_or_die)
            if sent == 5:
                patch.setattr(Ledger, "note_stream", die_after(2, Ledger.note_stream))
            with contextlib.suppress(Killed):
                seed(servers, fixtures)
        produced = Producer({"bootstrap.servers": servers})
        produced.produce("t", b"of somebody else", partition=0)
        assert produced.flush(60) == 0
        if not by_the_bus:
            seed(servers, fixtures)
            seed(servers, fixtures)
    with bus(data, *[fixtures] * by_the_bus) as servers:
        assert sorted(values(servers)) == [*"abcde", "of somebody else"]


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


def test_a_set_is_the_same_by_any_path_as_a_copy_and_as_a_pack(
    fixtures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(fixtures)
    copytree(fixtures, tmp_path / "copy")
    assert run(["fixtures", "pack", "set", "-o", "set.fbpack"]) == 0
    with bus(None, Path("link"), tmp_path / "set.fbpack") as servers:
        for name in ("set", "./set/", "link/../set", "link", "copy", "set.fbpack", str(fixtures)):
            capsys.readouterr()
            seed(servers, Path(name))
            assert "0 events written, 1 already there" in capsys.readouterr().out
        assert values(servers) == ["one"]


def test_a_file_under_a_new_name_is_not_written_again(fixtures: Path, tmp_path: Path) -> None:
    data = tmp_path / "bus.db"
    with bus(data, fixtures):
        pass
    (fixtures / "t.ndjson").rename(fixtures / "renamed.ndjson")
    (fixtures / "fakebus.yaml").write_text(SET.replace("t.ndjson", "renamed.ndjson"))
    (fixtures / "renamed.ndjson").write_text('{"value": "one"}\n{"value": "two"}\n')
    with bus(data) as servers:
        seed(servers, fixtures)
    with bus(data, fixtures) as servers:
        assert values(servers) == ["one", "two"]


def test_a_second_file_that_holds_the_same_is_written(fixtures: Path, tmp_path: Path) -> None:
    data = tmp_path / "bus.db"
    with bus(data, fixtures):
        pass
    copy(fixtures / "t.ndjson", fixtures / "again.ndjson")
    (fixtures / "fakebus.yaml").write_text(SET.replace("t.ndjson", "[t.ndjson, again.ndjson]"))
    with bus(data) as servers:
        seed(servers, fixtures)
        assert values(servers) == ["one", "one"]


def test_a_file_of_another_set_is_told_with_its_place(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    copytree(fixtures, other)
    write(other, "mine")
    with bus(None, fixtures) as servers:
        seed(servers, other, code=2)
        error = capsys.readouterr().err
        assert f"has changed since it was seeded to t from {fixtures}/t.ndjson; " in error


def test_sets_that_share_a_topic_are_reset_together(fixtures: Path, tmp_path: Path) -> None:
    other, data = tmp_path / "other", tmp_path / "bus.db"
    other.mkdir()
    (other / "fakebus.yaml").write_text(SET.replace("t.ndjson", "u.ndjson"))
    (other / "u.ndjson").write_text('{"value": "other"}\n')
    with bus(data, fixtures, other):
        pass
    with bus(data, fixtures, other, reset=True) as servers:
        assert values(servers) == ["one", "other"]


def test_events_that_were_seeded_at_other_times_are_no_difference(
    fixtures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most of the events have times of their own, so that their age tells nothing."""
    lines = [
        '{"at": "2025-01-01", "value": "a"}',
        '{"at": "2025-01-02", "value": "b"}',
        '{"at": "-1h", "value": {"$time": "at", "as": "YYYY-MM-DDThh:mm:ss.fffZ"}}',
        '{"value": {"$time": "now"}}',
    ]
    (fixtures / "t.ndjson").write_text("\n".join(lines[:3]))
    with bus(None, fixtures) as servers:
        (fixtures / "t.ndjson").write_text("\n".join(lines))
        seed(servers, fixtures)
        capsys.readouterr()
        assert run(["fixtures", "diff", str(fixtures), "--bootstrap-server", servers]) == 0
        (fixtures / "t.ndjson").write_text("\n".join([*lines[:2], *lines[3:]]))
        assert run(["fixtures", "diff", str(fixtures), "--bootstrap-server", servers]) == 1


def test_the_command_applies_a_changed_config_as_the_bus_does(
    fixtures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def configured(config: str) -> None:
        (fixtures / "fakebus.yaml").write_text(SET.replace("t,", f"t, config: {{{config}}},"))
        seed(servers, fixtures)
        capsys.readouterr()
        assert run(["fixtures", "diff", str(fixtures), "--bootstrap-server", servers]) == 0

    with bus(None, fixtures) as servers:
        configured("retention.bytes: 1000000")
        configured("segment.bytes: 2000000")
        configured("")


def in_its_own_connection(servers: str, directory: Path) -> int:
    connection = Connection("test", parse_servers(servers))
    _, done = seed_directory(SetSeeder(connection, SeedLog(connection)), None, directory)
    return done.records


def test_seeds_at_the_same_time_write_every_event_once(fixtures: Path) -> None:
    write(fixtures, *map(str, range(50)))
    with bus(None) as servers, ThreadPoolExecutor() as threads:
        done = [threads.submit(in_its_own_connection, servers, fixtures) for _ in range(4)]
        assert sorted(each.result() for each in done) == [0, 0, 0, 50]
        assert values(servers) == list(map(str, range(50)))


@pytest.mark.parametrize(
    "claim",
    [
        {"pid": 2**22 + 1},
        {"machine": "\x1b[2J elsewhere", "silence_s": 0.4},
        {"machine": "elsewhere", "pid": "x", "silence_s": 0.4},
    ],
)
def test_a_seed_that_ended_without_a_word_holds_up_nobody(
    fixtures: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    claim: dict[str, Any],
) -> None:
    silence_s = claim.pop("silence_s", 60)
    monkeypatch.setattr(seed_log, "_SILENCE_S", silence_s)
    with bus(None) as servers:
        log = SeedLog(Connection("test", parse_servers(servers)))
        text = json.dumps({**seed_log._this_process(), **claim})
        log.write(NewRecord(b"fixtures.claim:gone", text.encode()))
        began = monotonic()
        seed(servers, fixtures)
        assert silence_s == 60 or monotonic() - began >= silence_s
        assert values(servers) == ["one"]
    assert "another seed is running, by process" in caplog.text
    assert "\x1b" not in caplog.text
