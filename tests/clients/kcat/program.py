"""Drives a broker with kcat: python program.py HOST:PORT, commands on standard input.

kcat has no commands on topics, configs or groups. It makes no difference between an empty and no
value or key, says no offset of what it produced, and chooses its own timestamps.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Arguments = dict[str, Any]

TIMEOUT_SECONDS = 60
KEY_DELIMITER = "\x1f"
RECORD_DELIMITER = "\x1e"
ERROR_CODES = {
    "Broker: Unknown topic or partition": 3,
    "Broker: Message size too large": 10,
}
TIMES = {"latest": -1, "earliest": -2}


class KafkaError(Exception):
    """kcat reported an error that the broker answered."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def raise_known(message: str) -> None:
    for text, code in ERROR_CODES.items():
        if text in message:
            raise KafkaError(code, message)


def say(line: Arguments) -> None:
    print(json.dumps(line), flush=True)


class Kcat:
    def __init__(self, bootstrap_servers: str) -> None:
        self._command = ["kcat", "-b", bootstrap_servers, "-m", str(TIMEOUT_SECONDS)]

    def run(self, *options: str, text: str = "") -> str:
        done = subprocess.run(
            [*self._command, *options],
            input=text.encode(),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            errors = done.stderr.decode()
            raise_known(errors)
            raise RuntimeError(f"kcat {options} ended with {done.returncode}: {errors}")
        return done.stdout.decode()

    def produce(self, arguments: Arguments) -> list[Arguments]:
        for partition, headers, records in runs(arguments["records"]):
            options = ["-P", "-t", arguments["topic"], "-z", arguments["codec"], "-Z"]
            options += ["-X", "enable.idempotence=true", "-X", "message.max.bytes=16777216"]
            options += ["-X", "message.timeout.ms=15000"]
            options += ["-K", KEY_DELIMITER, "-D", RECORD_DELIMITER, "-p", str(partition)]
            for key, value in headers:
                options += ["-H", f"{key}={value}"]
            lines = (
                (record["key"] or "") + KEY_DELIMITER + (record["value"] or "")
                for record in records
            )
            self.run(*options, text=RECORD_DELIMITER.join(lines))
        return []

    def _group_options(self, arguments: Arguments) -> list[str]:
        timeout = arguments.get("session_timeout_ms", 6000)
        options = ["-G", arguments["group"], "-J", "-u", "-X", "auto.offset.reset=earliest"]
        options += ["-X", f"session.timeout.ms={timeout}"]
        options += ["-X", f"heartbeat.interval.ms={timeout // 4}"]
        options += ["-X", "auto.commit.interval.ms=100", "-X", "fetch.wait.max.ms=100"]
        if "client_id" in arguments:
            options += ["-X", f"client.id={arguments['client_id']}"]
        return options

    def consume(self, arguments: Arguments) -> list[Arguments]:
        count = str(arguments["count"])
        options = [*self._group_options(arguments), "-c", count, arguments["topic"]]
        return described(self.run(*options).splitlines())

    def read(self, arguments: Arguments) -> list[Arguments]:
        start = arguments["start"]
        if start == "earliest":
            offset = "beginning"
        else:
            offset = str(start["offset"]) if "offset" in start else f"s@{start['timestamp']}"
        options = ["-C", "-J", "-u", "-t", arguments["topic"], "-o", offset]
        if len(arguments["partitions"]) == 1:
            options += ["-p", str(arguments["partitions"][0])]
        return described(self.run(*options, "-c", str(arguments["count"])).splitlines())

    def member(self, arguments: Arguments) -> list[Arguments]:
        """Tell what kcat owns and reads until a line comes, or the pipe closes."""
        command = self._command
        process = subprocess.Popen(
            [*command, *self._group_options(arguments), arguments["topic"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        watchers = [
            threading.Thread(target=tell_records, args=(process.stdout,)),
            threading.Thread(target=tell_assignments, args=(process.stderr,)),
        ]
        for watcher in watchers:
            watcher.start()
        sys.stdin.readline()
        process.terminate()
        process.wait(TIMEOUT_SECONDS)
        for watcher in watchers:
            watcher.join()
        return []

    def offsets(self, arguments: Arguments) -> list[Arguments]:
        time = TIMES.get(arguments["at"], arguments["at"])
        found = []
        for partition in arguments["partitions"]:
            line = self.run("-Q", "-t", f"{arguments['topic']}:{partition}:{time}")
            found.append({"partition": partition, "offset": int(line.rsplit(maxsplit=1)[1])})
        return found

    def describe_topic(self, arguments: Arguments) -> Arguments:
        answer = json.loads(self.run("-L", "-J", "-t", arguments["topic"]))
        (topic,) = answer["topics"]
        raise_known(topic.get("error", ""))
        return {"partitions": len(topic["partitions"])}

    def list_topics(self, _arguments: Arguments) -> list[str]:
        return [topic["topic"] for topic in json.loads(self.run("-L", "-J"))["topics"]]

    def describe_cluster(self, _arguments: Arguments) -> Arguments:
        answer = json.loads(self.run("-L", "-J"))
        brokers = [{"id": row["id"], "address": row["name"]} for row in answer["brokers"]]
        return {"controller": answer["controllerid"], "brokers": brokers}


def runs(
    records: Iterable[Arguments],
) -> Iterator[tuple[int, list[list[str]], list[Arguments]]]:
    """Group neighbours that one call of kcat can produce: same partition, same headers."""
    run: list[Arguments] = []
    common: tuple[int, list[list[str]]] | None = None
    for record in records:
        own = (record.get("partition", -1), record.get("headers", []))
        if common is not None and own != common:
            yield (*common, run)
            run = []
        common = own
        run.append(record)
    if common is not None:
        yield (*common, run)


def described(lines: Iterable[str]) -> list[Arguments]:
    return [describe(json.loads(line)) for line in lines]


def describe(record: Arguments) -> Arguments:
    headers = record.get("headers", [])
    return {
        "partition": record["partition"],
        "offset": record["offset"],
        "timestamp": record["ts"],
        "key": record["key"],
        "value": record["payload"],
        "headers": [list(pair) for pair in zip(headers[::2], headers[1::2], strict=True)],
    }


def tell_records(lines: Iterable[str]) -> None:
    for line in lines:
        say({"event": "record", "record": describe(json.loads(line))})


def tell_assignments(lines: Iterable[str]) -> None:
    # % Group g rebalanced (memberid m): assigned: topic [0], topic [2]
    for line in lines:
        if "rebalanced" in line and "assigned: " in line:
            names = line.partition("assigned: ")[2].split(",")
            partitions = sorted(int(name.partition("[")[2].partition("]")[0]) for name in names)
            say({"event": "assigned", "partitions": partitions})


def main() -> None:
    kcat = Kcat(sys.argv[1])
    commands: dict[str, Callable[[Arguments], Any]] = {
        "produce": kcat.produce,
        "consume": kcat.consume,
        "member": kcat.member,
        "read": kcat.read,
        "offsets": kcat.offsets,
        "describe_topic": kcat.describe_topic,
        "list_topics": kcat.list_topics,
        "describe_cluster": kcat.describe_cluster,
    }
    while line := sys.stdin.readline():
        arguments = json.loads(line)
        try:
            say({"result": commands[arguments["command"]](arguments)})
        except KafkaError as error:
            say({"error_code": error.code, "message": str(error)})


if __name__ == "__main__":
    main()
