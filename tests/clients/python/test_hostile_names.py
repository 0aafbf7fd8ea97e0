"""Names that clients give themselves, as every command prints them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from fakebus.cli.main import run
from tests.clients.cluster import Cluster
from tests.clients.python.test_cli import CommandLine, wait_for_group

pytestmark = pytest.mark.clients

Unique = Callable[[str], str]
HOSTILE = "\x1b[31mred\nfakebus: forged\r\u202e\x9b2J"
SHOWN = "\\x1b[31mred\\nfakebus: forged\\r\\u202e\\x9b2J"


@pytest.fixture
def cli(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(cluster, capfd)


@pytest.fixture
def topic(cli: CommandLine, unique: Unique) -> str:
    """A topic with a record whose key, value and headers are hostile."""
    name = unique("topic")
    cli.run("topics", "--create", name, "--partitions", "1")
    producer = Producer({"bootstrap.servers": cli.servers, "client.id": HOSTILE})
    producer.produce(name, HOSTILE, HOSTILE, headers=[(HOSTILE, HOSTILE), ("raw", b"\xff\x1b")])
    assert producer.flush(60) == 0
    return name


@pytest.fixture
def group(cli: CommandLine, topic: str, unique: Unique) -> Iterator[str]:
    """A group with a hostile name, and a member with one."""
    name = f"{unique('group')}{HOSTILE}"
    consumer = Consumer(
        {
            "bootstrap.servers": cli.servers,
            "group.id": name,
            "client.id": HOSTILE,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            consumer.poll(0.05)
        consumer.close()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        wait_for_group(cli, name, lambda found: bool(_read_by_members(found)))
        yield name
    finally:
        stop.set()
        thread.join()


def harmless(output: str) -> str:
    """Return the output, in which every line prints and none is forged."""
    for line in output.split("\n"):
        assert line.isprintable()
        assert not line.startswith("fakebus: forged")
    return output


def test_tail_escapes_keys_values_and_the_names_of_headers(cli: CommandLine, topic: str) -> None:
    line = harmless(cli.run("tail", topic, "--from", "earliest", "--exit"))
    assert line.count(SHOWN) == 4
    output = harmless(cli.run("tail", topic, "--from", "earliest", "--exit", "--format", "json"))
    record = json.loads(output)
    assert (record["key"], record["value"]) == (HOSTILE, {"type": "string", "data": HOSTILE})
    assert record["headers"][0] == [HOSTILE, HOSTILE]


def test_groups_escapes_the_names_of_groups_and_clients(cli: CommandLine, group: str) -> None:
    assert SHOWN in harmless(cli.run("groups"))
    assert harmless(cli.run("groups", group)).count(SHOWN) >= 3
    assert group in [each["group"] for each in json.loads(harmless(cli.run(*_json("groups"))))]
    described = json.loads(harmless(cli.run(*_json("groups", group))))
    assert described["members"][0]["client_id"] == HOSTILE


def test_the_doctor_escapes_them_too(
    cli: CommandLine, topic: str, group: str, capfd: pytest.CaptureFixture[str]
) -> None:
    # Whether it finds anything depends on what the client has committed by now.
    assert run(
        ["doctor", "--topic", topic, "--group", group, "--bootstrap-server", cli.servers]
    ) in (0, 1)
    output = capfd.readouterr().out
    # Long lines are broken between words, which these escapes contain.
    assert "\\x1b[31mred\\nfakebus:" in harmless(output)
    output, _ = cli.both("doctor", "--group", group + "x", "--format", "json", code=1)
    assert "did you mean" in harmless(output)


def test_a_header_whose_name_the_client_library_would_cut_is_refused(
    cli: CommandLine, topic: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.write_text('{"value": null, "headers": {"a\\u0000b": "c"}}\n')
    error = cli.error("produce", topic, "--json", "--file", str(lines))
    assert "the name of a header cannot hold a null character" in error


def test_a_name_that_is_suggested_is_escaped(cli: CommandLine, group: str) -> None:
    error = harmless(cli.error("groups", "--delete", f"{group}x"))
    assert "did you mean" in error
    assert error.count(SHOWN) >= 2
    assert SHOWN in harmless(cli.error("topics", HOSTILE))
    assert SHOWN in harmless(cli.error("groups", "--delete", group))


def test_commands_on_fixture_files_escape_what_they_print(
    cli: CommandLine, topic: str, tmp_path: Path
) -> None:
    recorded = tmp_path / "\x1b[31mset"
    harmless(cli.run("fixtures", "record", topic, "-o", str(recorded), "--no-redact"))
    events = next((recorded / "events").iterdir())
    lines = events.read_text()
    assert json.loads(lines)["headers"]
    events.write_text(lines.replace("red", "green"))
    output, _ = cli.both("fixtures", "diff", str(recorded), code=1)
    assert "\\x1b" in harmless(output)
    events.write_text(lines + '{"\\u001b[31m": 1}\n')
    for action in ("seed", "diff"):
        output, errors = cli.both("fixtures", action, str(recorded), code=2)
        assert "\\x1b" in harmless(output + errors)


def _read_by_members(description: Any) -> list[object]:
    return [each for member in description["members"] for each in member["partitions"]]


def _json(*arguments: str) -> tuple[str, ...]:
    return (*arguments, "--format", "json")
