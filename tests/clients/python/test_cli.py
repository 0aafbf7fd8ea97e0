"""The commands on a running cluster, fakebus or Apache Kafka."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from fakebus.cli.main import run
from fakebus.cli.output import print_lines
from fakebus.client.connection import Connection
from fakebus.client.publishing import Publisher
from fakebus.client.reachability import parse_servers
from fakebus.client.topics import WantedTopic, create_topics
from fakebus.fixture_files.formats.wrappers import unwrapped
from fakebus.records.record import NewRecord
from tests.client_logs import without_client_logs
from tests.clients.cluster import Cluster
from tests.processes import process_of

pytestmark = pytest.mark.clients

Unique = Callable[[str], str]
WAIT_SECONDS = 60.0


class CommandLine:
    """Runs commands on the cluster and gives back what they print."""

    def __init__(self, cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
        self.servers = cluster.bootstrap_servers
        self._capfd = capfd

    def run(self, *arguments: str, code: int = 0) -> str:
        """Return standard output; nothing may be on standard error."""
        output, errors = self.both(*arguments, code=code)
        assert errors == ""
        return output

    def both(self, *arguments: str, code: int) -> tuple[str, str]:
        self._capfd.readouterr()
        assert run([*arguments, "--bootstrap-server", self.servers]) == code
        output, errors = self._capfd.readouterr()
        return output, without_client_logs(errors)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--format", "json", code=code))

    def error(self, *arguments: str) -> str:
        """Return the one line of a command that fails."""
        output, errors = self.both(*arguments, code=2)
        assert output == ""
        assert errors.startswith("fakebus: ")
        assert errors.count("\n") == 1
        return errors

    def tail(self, *arguments: str) -> list[dict[str, Any]]:
        """Return all records up to the end."""
        lines = self.run("tail", *arguments, "--exit", "--format", "json").splitlines()
        return [json.loads(line) for line in lines]

    def values(self, *arguments: str) -> list[str]:
        return [str(unwrapped(record["value"])) for record in self.tail(*arguments)]

    def doctor(self, *arguments: str, code: int) -> str:
        """Return the findings with line breaks made to spaces."""
        return " ".join(self.run("doctor", *arguments, code=code).split())


@pytest.fixture
def cli(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(cluster, capfd)


@pytest.fixture
def topic(cli: CommandLine, unique: Unique) -> str:
    """A topic with two partitions."""
    name = unique("topic")
    cli.run("topics", "--create", name, "--partitions", "2")
    return name


@pytest.fixture
def members(cli: CommandLine) -> Iterator[Callable[[str, str], Consumer]]:
    """Start consumers in a group; each polls in a thread of its own until the test ends."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(group: str, topic: str) -> Consumer:
        consumer = Consumer(
            {
                "bootstrap.servers": cli.servers,
                "group.id": group,
                "client.id": f"member{len(threads)}",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe([topic])

        def poll() -> None:
            while not stop.is_set():
                consumer.poll(0.05)
            consumer.close()

        threads.append(threading.Thread(target=poll, daemon=True))
        threads[-1].start()
        return consumer

    yield start
    stop.set()
    for thread in threads:
        thread.join(WAIT_SECONDS)


def wait_for_group(cli: CommandLine, group: str, settled: Callable[[Any], bool]) -> Any:
    """Describe the group until it is as wanted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        if group in [found["group"] for found in cli.json("groups")]:
            description = cli.json("groups", group)
            if settled(description):
                return description
        assert time.monotonic() < deadline, f"{group} did not settle"
        time.sleep(0.05)


def is_stable_with(count: int) -> Callable[[Any], bool]:
    return lambda group: group["state"] == "stable" and len(group["members"]) == count


def test_a_topic_is_created_described_and_deleted(cli: CommandLine, unique: Unique) -> None:
    name = unique("topic")
    config = ("--config", "retention.ms=3600000", "--config", "cleanup.policy=compact")
    assert cli.run("topics", "--create", name, "--partitions", "3", *config) == f"created {name}\n"
    cli.run("produce", name, "--value", "a", "--partition", "1", "--key", "k")
    found = cli.json("topics", name)
    assert found["records"] == 1
    assert found["partitions"][1] == {"partition": 1, "start": 0, "end": 1, "records": 1}
    assert len(found["partitions"]) == 3
    assert found["configs"]["retention.ms"] == "3600000"
    assert found["configs"]["cleanup.policy"] == "compact"
    assert "segment.bytes" not in found["configs"]
    assert {"topic": name, "partitions": 3, "records": 1} in cli.json("topics")
    text = cli.run("topics", name)
    assert f"{name}: 3 partitions, 1 record" in text
    assert "retention.ms" in text
    assert cli.run("topics", "--delete", name) == f"deleted {name}\n"
    assert name not in cli.run("topics")


def test_a_topic_that_cannot_be_made_is_bad_input(cli: CommandLine, topic: str) -> None:
    assert "already exists" in cli.error("topics", "--create", topic)
    assert "no.such.config" in cli.error("topics", "--create", "x", "--config", "no.such.config=1")
    assert "is not created" in cli.error("topics", "--create", "a b")
    assert "is not created" in cli.error("topics", "--create", "x", "--partitions", "0")


@pytest.mark.parametrize(
    "command", [["topics"], ["tail", "--exit"], ["topics", "--delete"], ["produce"]]
)
def test_an_unknown_topic_is_bad_input_that_names_the_nearest(
    cli: CommandLine, topic: str, command: list[str]
) -> None:
    misspelt = topic[:-1]
    more = ["--value", "a"] if command == ["produce"] else []
    message = cli.error(*command, misspelt, *more)
    assert f"there is no topic '{misspelt}'; did you mean" in message
    assert topic in message


def test_lines_keys_and_headers_are_produced_and_tailed(
    cli: CommandLine, topic: str, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"a:1\nb:2:3\r\na:\n")
    output = cli.run(
        *("produce", topic, "--file", str(file), "--key-separator", ":"),
        *("--header", "h=x=y", "--header", "i=", "--header", "h= z "),
    )
    assert output.startswith(f"3 records to {topic}: partition ")
    found = cli.tail(topic, "--from", "earliest")
    pairs = sorted((record["key"], str(unwrapped(record["value"]))) for record in found)
    assert pairs == [("a", ""), ("a", "1"), ("b", "2:3")]
    assert all(record["headers"] == [["h", "x=y"], ["i", ""], ["h", " z "]] for record in found)
    assert len({record["partition"] for record in found if record["key"] == "a"}) == 1


def test_tail_stops_at_what_was_there_at_a_time(
    cli: CommandLine, topic: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.write_text(
        "".join(
            json.dumps({"value": day, "at": f"2024-05-{day:02}T09:00:00Z", "partition": day % 2})
            + "\n"
            for day in range(1, 8)
        )
    )
    cli.run("produce", topic, "--file", str(lines), "--json")
    for start, day, days in (
        ([], "2024-05-05", "1234"),
        (["--from", "-1"], "2024-05-05T09:00:00Z", "34"),
        (["--from", "2024-05-02T09:00:00Z"], "2024-05-05T09:00:00.001Z", "2345"),
        ([], "2024-04-30", ""),
        (["--from", "earliest"], "-1d", "1234567"),
    ):
        # It ends by itself.
        output = cli.run("tail", topic, *start, "--as-of", day, "--json")
        values = [str(json.loads(line)["value"]) for line in output.splitlines()]
        assert "".join(sorted(values)) == days
    assert "is no time" in cli.error("tail", topic, "--as-of", "42")
    message = cli.error("tail", topic, "--as-of", "-1d", "--group", "g")
    assert "--as-of and --group exclude each other" in message


def test_a_tombstone_and_a_whole_file_arrive_byte_for_byte(
    cli: CommandLine, topic: str, tmp_path: Path
) -> None:
    file = tmp_path / "picture"
    file.write_bytes(b"\xff\n\r\n\x00")
    cli.run("produce", topic, "--file", str(file), "--whole", "--partition", "0", "--quiet")
    cli.run("produce", topic, "--null", "--key", "k", "--partition", "0", "--quiet")
    picture, tombstone = cli.tail(topic, "--from", "earliest")
    assert picture["value"] == {"type": "binary", "data": "/woNCgA="}
    assert (tombstone["key"], tombstone["value"]) == ("k", None)
    assert "(null)" in cli.run("tail", topic, "--from", "1", "--partition", "0", "--exit")


def test_what_tail_writes_as_json_produce_copies_with_everything(
    cli: CommandLine, topic: str, unique: Unique, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.ndjson"
    lines.write_text(
        '{"key": "a", "value": {"n": 1}, "headers": {"h": null}, "at": "2023-11-14T22:13:20Z"}\n'
        "\n"
        '{"value": {"type": "binary", "data": "/w=="}, "headers": [["h", "1"], ["h", "2"]], '
        '"partition": 1}\n'
    )
    cli.run("produce", topic, "--file", str(lines), "--json")
    copy = unique("copy")
    cli.run("topics", "--create", copy, "--partitions", "2")
    lines.write_text(cli.run("tail", topic, "--from", "earliest", "--exit", "--json"))
    cli.run("produce", copy, "--file", str(lines), "--json")

    def contents(name: str) -> list[dict[str, Any]]:
        records = cli.tail(name, "--from", "earliest")
        return sorted(({**record, "topic": ""} for record in records), key=str)

    assert contents(copy) == contents(topic)
    assert {record["at"] for record in contents(copy)} > {"2023-11-14T22:13:20.000Z"}
    before = contents(topic)
    assert f"2 records to {topic}" in cli.run("produce", "--file", str(lines))
    assert len(contents(topic)) == 2 * len(before)


def test_a_bad_line_is_told_with_its_number_after_the_good_ones_are_written(
    cli: CommandLine, topic: str, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    file.write_text('{"value": "a"}\n{"value": "b", "kay": 1}\n')
    message = cli.error("produce", topic, "--file", str(file), "--json")
    assert f'{file}:2:23: an event has no field "kay"; did you mean "key"?' in message
    assert cli.values(topic, "--from", "earliest") == ["a"]


def test_a_partition_that_is_not_there_is_bad_input(cli: CommandLine, topic: str) -> None:
    expected = f"there is no partition 2: {topic} has 2"
    assert expected in cli.error("produce", topic, "--value", "a", "--partition", "2")
    assert expected in cli.error("tail", topic, "--partition", "2")


def test_tail_begins_where_it_is_told(cli: CommandLine, topic: str, tmp_path: Path) -> None:
    lines = tmp_path / "lines.ndjson"
    ages_s = (7200, 60, 50, 0)
    lines.write_text(
        "".join(
            json.dumps({"value": age, "partition": 0, "at": f"-{age}s"}) + "\n" for age in ages_s
        )
    )
    cli.run("produce", topic, "--file", str(lines), "--json")
    assert cli.values(topic, "--from", "earliest") == ["7200", "60", "50", "0"]
    assert cli.values(topic, "--from", "2") == ["50", "0"]
    assert cli.values(topic, "--from", "-1") == ["0"]
    assert cli.values(topic, "--from", "-99") == ["7200", "60", "50", "0"]
    assert cli.values(topic, "--from", "-1h") == ["60", "50", "0"]
    assert cli.values(topic, "--from", "2001-01-01") == ["7200", "60", "50", "0"]
    assert cli.values(topic, "--from", "latest") == []
    assert cli.values(topic, "--from", "99") == []
    assert cli.values(topic, "--from", "earliest", "--count", "2") == ["7200", "60"]


@contextmanager
def producing(cli: CommandLine, *topics: str) -> Iterator[None]:
    """Produce again and again: from when on tail counts as new is not to be seen from outside."""
    producer = Producer({"bootstrap.servers": cli.servers})
    stop = threading.Event()

    def produce() -> None:
        while not stop.wait(0.05):
            for topic in topics:
                producer.produce(topic, value=b"new")
            producer.flush(WAIT_SECONDS)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_tail_without_exit_waits_for_new_records(cli: CommandLine, topic: str) -> None:
    cli.run("produce", topic, "--value", "old")
    with producing(cli, topic):
        line = cli.run("tail", topic, "--count", "1")
    assert line.rstrip().endswith("new")


@pytest.mark.parametrize("in_group", [False, True])
def test_tail_waits_for_topics_that_come_to_match_and_says_so(
    cli: CommandLine, unique: Unique, in_group: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("late")
    waits = threading.Semaphore(0)

    def print_and_tell(line: str, **options: Any) -> None:
        print_lines(line, **options)
        if "waiting for it" in line:
            waits.release()

    monkeypatch.setattr("fakebus.cli.tail.print_lines", print_and_tell)
    more = ("--group", unique("group"), "--from", "earliest") if in_group else ()

    def create() -> None:
        for _ in range(2):
            assert waits.acquire(timeout=WAIT_SECONDS)
        for each in (f"{name}-b", f"x{name}", f"{name}-a"):
            create_topics(connection, [WantedTopic(each, 1)])
            publisher.send(each, NewRecord(None, b"late", ()))
        publisher.flush()

    connection = Connection("test", parse_servers(cli.servers))
    publisher = Publisher(connection)
    thread = threading.Thread(target=create)
    thread.start()
    output, errors = cli.both("tail", f"{name}-?", name, "--count", "2", *more, code=0)
    thread.join()
    told = errors.splitlines()
    assert told[0] == f"fakebus: no topic matches '{name}-?' (waiting for it; Ctrl-C ends)"
    assert told[1].startswith(f"fakebus: there is no topic '{name}'; ")
    assert set(told[2:]) == {f"fakebus: now reading {name}-{each}" for each in "ab"}
    assert sorted(line.split("@")[0] for line in output.splitlines()) == [
        f"{name}-a-0",
        f"{name}-b-0",
    ]


def test_tail_takes_patterns_and_regular_expressions(cli: CommandLine, unique: Unique) -> None:
    name = unique("pattern")
    connection = Connection("test", parse_servers(cli.servers))
    create_topics(connection, [WantedTopic(f"{name}-{each}") for each in ("a1", "b2", "c3")])
    for each in ("a1", "b2", "c3"):
        cli.run("produce", f"{name}-{each}", "--value", each)
    everything = ("--from", "earliest")
    assert sorted(cli.values(f"{name}-*", *everything)) == ["a1", "b2", "c3"]
    assert sorted(cli.values(f"^{name}-(a|c).$", *everything)) == ["a1", "c3"]
    assert cli.values(f"{name}-?2", *everything) == ["b2"]
    assert "no topic matches" in cli.error("tail", f"{name}-z*", "--exit")
    assert "is no regular expression, column 2" in cli.error("tail", "^(", "--exit")


def test_tail_prints_only_what_a_filter_lets_pass(cli: CommandLine, topic: str) -> None:
    values = [value for n in range(5) for value in ("--value", f'{{"n":{n}}}')]
    cli.run("produce", topic, *values, "--key", "k", "--header", "h=eu-1")
    wanted = 'value.n >= 2 and key = "k" and headers.h contains "eu"'
    arguments = (topic, "--from", "earliest", "--filter", wanted)
    assert [record["value"]["n"] for record in cli.tail(*arguments)] == [2, 3, 4]
    assert [record["value"]["n"] for record in cli.tail(*arguments, "--count", "1")] == [2]
    assert "--filter, column 9: " in cli.error("tail", topic, "--filter", "value.n ? 1")


def test_tail_ends_when_nobody_reads_it_any_more(cli: CommandLine, topic: str) -> None:
    cli.run("produce", topic, "--value", "only")
    command = [sys.executable, "-m", "fakebus", "tail", topic, "--from", "earliest"]
    with process_of(
        [*command, "--bootstrap-server", cli.servers],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # As `| head -1` does.
        assert process.stdout.readline().rstrip().endswith(b"only")
        process.stdout.close()
        assert process.wait(WAIT_SECONDS) == 0
        assert process.stderr.read() == b""


def test_tail_in_a_group_commits_what_it_printed(
    cli: CommandLine, topic: str, unique: Unique
) -> None:
    group = unique("group")
    cli.run("produce", topic, "--value", "a", "--value", "b", "--value", "c", "--partition", "0")
    arguments = (topic, "--group", group, "--from", "earliest")
    assert cli.values(*arguments, "--count", "2") == ["a", "b"]
    assert cli.values(*arguments) == ["c"]
    assert cli.values(*arguments) == []
    found = cli.json("groups", group)
    assert found["state"] == "empty"
    assert [(part["committed"], part["lag"]) for part in found["partitions"]] == [(3, 0)]


def test_tail_without_a_group_leaves_no_group(cli: CommandLine, topic: str) -> None:
    cli.run("produce", topic, "--value", "a")
    cli.values(topic, "--from", "earliest")
    assert "fakebus-tail" not in cli.run("groups")


def test_offsets_of_a_group_are_moved_and_the_group_is_deleted(
    cli: CommandLine, topic: str, unique: Unique
) -> None:
    group = unique("group")
    for partition in ("0", "1"):
        cli.run("produce", topic, "--value", "a", "--value", "b", "--partition", partition)

    def committed() -> list[int]:
        return [part["committed"] for part in cli.json("groups", group)["partitions"]]

    cli.run("groups", group, "--reset", f"{topic}=latest")
    assert committed() == [2, 2]
    cli.run("groups", group, "--reset", f"{topic}:1=earliest", "--reset", f"{topic}:0=-1")
    assert committed() == [1, 0]
    assert sorted(cli.values(topic, "--group", group)) == ["a", "b", "b"]
    cli.run("groups", group, "--reset", f"{topic}=-1h")
    assert committed() == [0, 0]
    assert "there is no partition 7" in cli.error("groups", group, "--reset", f"{topic}:7=0")
    assert cli.run("groups", "--delete", group) == f"deleted {group}\n"
    assert f"there is no group '{group}'" in cli.error("groups", group)
    assert f"there is no group '{group}'" in cli.error("groups", "--delete", group)


def test_a_running_group_is_described_and_protected(
    cli: CommandLine, topic: str, unique: Unique, members: Callable[[str, str], Consumer]
) -> None:
    group = unique("group")
    members(group, topic)
    found = wait_for_group(cli, group, is_stable_with(1))
    (member,) = found["members"]
    assert member["client_id"] == "member0"
    assert member["partitions"] == [[topic, 0], [topic, 1]]
    assert f"{topic}:0,1" in cli.run("groups", group)
    assert {"group": group, "state": "stable", "type": "classic"} in cli.json("groups")
    assert "running consumers" in cli.error("groups", group, "--reset", f"{topic}=earliest")
    assert "running consumers" in cli.error("groups", "--delete", group)


def test_the_doctor_is_content_with_a_healthy_cluster(cli: CommandLine, topic: str) -> None:
    cli.run("produce", topic, "--value", "a")
    findings = cli.doctor("--topic", topic, code=0)
    assert f"{cli.servers} speaks Kafka" in findings
    assert f"topic {topic} has 1 record in 2 partitions" in findings
    assert findings.endswith("all fine")


def test_the_doctor_finds_unknown_and_empty_topics(
    cli: CommandLine, topic: str, unique: Unique
) -> None:
    findings = cli.doctor("--topic", topic, "--topic", topic[:-1], code=1)
    assert f"topic {topic} is empty: nothing was ever written to it" in findings
    assert f"there is no topic '{topic[:-1]}'; did you mean" in findings
    assert topic[:-1] not in cli.run("topics").split()


def test_the_doctor_finds_a_group_that_is_unknown_or_has_no_members(
    cli: CommandLine, topic: str, unique: Unique
) -> None:
    group = unique("group")
    assert f"there is no group '{group}'" in cli.doctor("--group", group, code=1)
    cli.run("produce", topic, "--value", "a", "--partition", "0")
    cli.run("groups", group, "--reset", f"{topic}=earliest")
    findings = cli.doctor("--group", group, code=1)
    assert re.search(rf"no consumer (is|has been) in group {group}( yet)?, and 1 record", findings)


def test_the_doctor_finds_idle_members_and_explains_latest(
    cli: CommandLine, topic: str, unique: Unique, members: Callable[[str, str], Consumer]
) -> None:
    group = unique("group")
    cli.run("produce", topic, "--value", "a")
    for _ in range(3):
        members(group, topic)
    wait_for_group(cli, group, is_stable_with(3))
    findings = cli.doctor("--group", group, "--topic", topic, code=1)
    assert f"1 of 3 members of group {group} have no partition" in findings
    # A fakebus knows where they began, of a Kafka nothing is known but that they do not commit.
    assert re.search(rf"{group} ha[sd] ({topic}.{{0,60}})?committed nothing for", findings)
    assert "auto.offset.reset=earliest" in findings


def test_the_doctor_finds_an_open_transaction(cli: CommandLine, topic: str, unique: Unique) -> None:
    name = unique("transaction")
    producer = Producer({"bootstrap.servers": cli.servers, "transactional.id": name})
    producer.init_transactions(WAIT_SECONDS)
    producer.begin_transaction()
    producer.produce(topic, value=b"a", partition=0)
    producer.flush(WAIT_SECONDS)
    # Whose it is only a fakebus tells.
    whose = rf"(?:an open transaction|the open transaction of {name})"
    found = cli.doctor("--topic", topic, code=1)
    assert re.search(rf"{whose} holds back 1 record from", found), found
    producer.commit_transaction(WAIT_SECONDS)
    assert "all fine" in cli.doctor("--topic", topic, code=0)


def test_the_doctor_notes_timestamps_from_the_future(
    cli: CommandLine, unique: Unique, tmp_path: Path
) -> None:
    topic = unique("topic")
    # Kafka refuses timestamps more than an hour ahead unless it is told otherwise.
    cli.run("topics", "--create", topic, "--config", "message.timestamp.after.max.ms=86400000")
    lines = tmp_path / "lines.ndjson"
    lines.write_text('{"value": "a", "at": "+5h", "partition": 0}')
    cli.run("produce", topic, "--file", str(lines), "--json")
    findings = cli.doctor("--topic", topic, code=0)
    assert f"more than an hour ahead of this machine's clock (in {topic}-0)" in findings


def test_top_tells_rates_and_lag_once_where_nobody_looks(cli: CommandLine, unique: Unique) -> None:
    topic, group = unique("topic"), unique("group")
    cli.run("topics", "--create", topic)
    cli.run("groups", group, "--reset", f"{topic}=earliest")
    cli.run("produce", topic, "--value", "a")
    told = cli.json("top", "--interval", "0.1")
    [row] = [each for each in told["topics"] if each["topic"] == topic]
    assert (row["partitions"], row["records"]) == (1, 1)
    [row] = [each for each in told["groups"] if each["group"] == group]
    assert (row["members"], row["lag"], row["lag_per_second"]) == (0, 1, 0.0)
    assert topic in cli.run("top", "--interval", "0.1")
