"""Start a real Apache Kafka on the loopback interface, to settle questions of behaviour.

    python tools/kafka.py run   [--port N] [--set key=value]... [--ready-file PATH]
    python tools/kafka.py start [--port N] [--set key=value]... [--ready-file PATH]
    python tools/kafka.py stop  [--port N]
    python tools/kafka.py tool TopicCommand --bootstrap-server 127.0.0.1:19092 --list

One process is broker and controller (KRaft). Its jars come from Maven Central, once; its log
directory is thrown away when it stops. Needs Java 17 or later, and Maven for the jars.
From Python: `with kafka_cluster({"num.partitions": "3"}) as bootstrap_servers: ...`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
POM = CHECKOUT / "tools" / "kafka" / "pom.xml"
LOG_CONFIG = CHECKOUT / "tools" / "kafka" / "log4j2.properties"
CACHE = Path(os.environ.get("KAFKA_CACHE", CHECKOUT / ".cache" / "kafka"))
DEFAULT_PORT = 19092
OLDEST_JAVA = 17
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0

# The client compiler alone: a referee lives for minutes, and start-up time is what one waits for.
JVM_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    f"-Dlog4j2.configurationFile={LOG_CONFIG}",
)

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    # After a crash the old registration must expire before the node is let in again; but a broker
    # that a busy machine delays so long has no leaders for a while, and those have other epochs.
    "broker.heartbeat.interval.ms": "300",
    "broker.session.timeout.ms": "6000",
    # The default of 128 MiB is allocated at once, used or not.
    "log.cleaner.dedupe.buffer.size": "4194304",
}
"""What a single node needs; every other setting has Kafka's own default."""

TOOLS = {
    "ConsoleConsumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "ConsumerGroupCommand": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "ShareGroupCommand": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "AclCommand": "org.apache.kafka.tools.AclCommand",
    "ConfigCommand": "kafka.admin.ConfigCommand",
    "StorageTool": "kafka.tools.StorageTool",
}
"""The main classes that are not `org.apache.kafka.tools.<name>`."""


class RefereeError(Exception):
    """Kafka could not be started or stopped; the text says what to do."""


def java() -> str:
    """Return the path of a Java that runs Kafka 4.

    Raises:
        RefereeError: No Java is installed, or only one that is too old.
    """
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(str(Path(home, "bin", "java")) if home else "java")
    if path is None:
        raise RefereeError(f"Apache Kafka needs Java {OLDEST_JAVA} or later; no java was found")
    banner = subprocess.run([path, "-version"], capture_output=True, text=True, check=True).stderr
    version = re.search(r'version "(\d+)', banner)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise RefereeError(f"Apache Kafka needs Java {OLDEST_JAVA} or later; {path} is {banner!r}")
    return path


def class_path() -> str:
    """Return the class path of Kafka's jars, after fetching them if the cache lacks them.

    Raises:
        RefereeError: Maven is not installed, or could not fetch the jars.
    """
    jars = CACHE / f"jars-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not jars.exists():
        maven = shutil.which("mvn")
        if maven is None:
            raise RefereeError(f"the jars of Apache Kafka are not in {jars}, and mvn was not found")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
            command = [maven, "-q", "-B", "-f", str(POM), *goal, f"-DoutputDirectory={fresh}/jars"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RefereeError(f"Maven could not fetch Apache Kafka:\n{done.stdout[-2000:]}")
            # Whoever fetches at the same time loses the race, with the same jars in place.
            with contextlib.suppress(OSError):
                os.rename(f"{fresh}/jars", jars)
    return f"{jars}/*"


def version() -> str:
    """Return the version of Apache Kafka that the pom asks for."""
    found = re.search(r"<kafka\.version>(.+?)</kafka\.version>", POM.read_text())
    if found is None:
        raise RefereeError(f"{POM} has no kafka.version")
    return found[1]


def free_port() -> int:
    """Return a loopback port that nothing listens on, and that is given to nobody by itself.

    Those that systems give to clients, and to servers that take any, begin at 32768 at the lowest:
    one of them may be somebody else's by the time it is used.
    """
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.SystemRandom().randrange(20_000, 32_000)
            probe.bind(("127.0.0.1", port))
            return port


def answers_metadata(port: int) -> bool:
    """Say whether a broker at the port answers Metadata v1 with a registered broker."""
    header = struct.pack(">hhih", 3, 1, 1, -1)
    no_topics = struct.pack(">i", 0)
    request = header + no_topics
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(4096)
    except OSError:
        return False
    _size, _correlation_id, brokers = struct.unpack_from(">iii", answer.ljust(12, b"\0"))
    return bool(brokers > 0)


def new_cluster_id() -> str:
    """Return 16 bytes in URL-safe base64, which as Kafka's own do not start with a dash."""
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:21]


class Kafka:
    """One Apache Kafka process over one log directory."""

    def __init__(
        self,
        directory: Path,
        port: int,
        settings: Mapping[str, str],
        jvm_options: Sequence[str] = JVM_OPTIONS,
        cluster_id: str | None = None,
    ) -> None:
        """Format the storage.

        Args:
            directory: An existing, empty directory; the caller removes it.
            port: Where clients connect, on 127.0.0.1.
            settings: Broker configs by Kafka's names; they stand over the referee's own.
            jvm_options: How Java runs.
            cluster_id: Of the cluster that it belongs to; a new one without.

        Raises:
            RefereeError: Java or the jars are missing, or Kafka refuses the settings.
        """
        self.port = port
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self.log = directory / "kafka.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._properties = directory / "server.properties"
        controller = f"127.0.0.1:{free_port()}"
        listeners = {
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(directory / "data"),
        }
        rows = {**SETTINGS, **listeners, **settings}
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in rows.items()))
        self._java = [java(), *jvm_options, "-cp", class_path()]
        command = [*self._java, "kafka.tools.StorageTool", "format"]
        command += ["-t", cluster_id or new_cluster_id()]
        command += ["-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RefereeError(f"Kafka refuses the settings:\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start the process and return when it answers Metadata.

        Raises:
            RefereeError: The process ended or stayed silent; the text ends with its log.
        """
        if answers_metadata(self.port):
            raise RefereeError(f"a broker answers at 127.0.0.1:{self.port} already")
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        with self.log.open("ab") as log:
            # A session of its own, so that Ctrl-C reaches this process only, which stops Kafka.
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not answers_metadata(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RefereeError(f"Kafka did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self, stop_signal: int = signal.SIGTERM) -> None:
        """Send the signal and return when the process has ended; its data stay.

        Args:
            stop_signal: SIGTERM for a clean stop, SIGKILL for a crash.
        """
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(stop_signal)
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@contextlib.contextmanager
def running_kafka(settings: Mapping[str, str] | None = None, port: int = 0) -> Iterator[Kafka]:
    """Run a throw-away Apache Kafka.

    Args:
        settings: Broker configs by Kafka's names.
        port: Where clients connect, on 127.0.0.1; 0 means any free port.

    Raises:
        RefereeError: See `Kafka`.
    """
    with tempfile.TemporaryDirectory(prefix="kafka-referee-") as directory:
        kafka = Kafka(Path(directory), port or free_port(), settings or {})
        try:
            kafka.start()
            yield kafka
        finally:
            kafka.stop()


@contextlib.contextmanager
def kafka_cluster(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a throw-away Apache Kafka on a free port and give its bootstrap servers."""
    with running_kafka(settings) as kafka:
        yield kafka.bootstrap_servers


def write_ready_file(path: str | None, kafka: Kafka) -> None:
    """Write where the broker listens, atomically, if a path is given."""
    if path is not None and kafka.process is not None:
        ready = {"pid": kafka.process.pid, "bootstrap_servers": kafka.bootstrap_servers}
        Path(f"{path}.new").write_text(json.dumps(ready))
        os.replace(f"{path}.new", path)


def run(port: int, settings: Mapping[str, str], ready_file: str | None) -> None:
    """Run Kafka until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), running_kafka(settings, port) as kafka:
        print(f"Apache Kafka {version()} on {kafka.bootstrap_servers}; Ctrl-C stops it", flush=True)
        write_ready_file(ready_file, kafka)
        assert kafka.process is not None
        kafka.process.wait()
        raise RefereeError(f"Kafka ended by itself:\n{kafka.log.read_text()[-4000:]}")


def start(port: int, settings: Mapping[str, str], ready_file: str | None) -> None:
    """Start Kafka in the background; `stop` with the same port ends it."""
    directory = CACHE / f"run-{port}"
    if directory.exists():
        raise RefereeError(f"{directory} exists: stop the Kafka on port {port} first")
    directory.mkdir(parents=True)
    try:
        kafka = Kafka(directory, port, settings)
        kafka.start()
    except BaseException:
        shutil.rmtree(directory)
        raise
    assert kafka.process is not None
    (directory / "pid").write_text(str(kafka.process.pid))
    print(f"Apache Kafka {version()} on {kafka.bootstrap_servers}, log in {kafka.log}")
    write_ready_file(ready_file, kafka)


def is_referee(pid: int, directory: Path) -> bool:
    """Say whether the process is the Kafka started over the directory, and not a successor."""
    command = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True)
    return str(directory).encode() in command.stdout


def stop(port: int) -> None:
    """Stop the Kafka that `start` left behind and remove its data."""
    directory = CACHE / f"run-{port}"
    if not directory.exists():
        raise RefereeError(f"no Kafka was started on port {port}")
    pid_file = directory / "pid"
    pid = int(pid_file.read_text()) if pid_file.exists() else None
    if pid is not None and is_referee(pid, directory):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while is_referee(pid, directory):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
    shutil.rmtree(directory)
    print(f"stopped the Kafka on port {port}")


def tool(name: str, arguments: Sequence[str]) -> int:
    """Run one of Kafka's command line tools with the same jars and return its exit status."""
    main_class = TOOLS.get(name, f"org.apache.kafka.tools.{name}")
    command = [java(), *JVM_OPTIONS, "-cp", class_path(), main_class, *arguments]
    return subprocess.run(command, check=False).returncode


def arguments_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "start", "stop"):
        command = commands.add_parser(name)
        command.add_argument("--port", type=int, default=DEFAULT_PORT)
        if name != "stop":
            command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
            command.add_argument("--ready-file", metavar="PATH")
    command = commands.add_parser("tool", add_help=False)
    command.add_argument("name", help="such as TopicCommand or ConsumerGroupCommand")
    command.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def main() -> int:
    """Run the command line and return the exit status: 0 done, 1 failed, 2 usage."""
    parser = arguments_parser()
    options = parser.parse_args()
    try:
        if options.command == "tool":
            return tool(options.name, options.arguments)
        if options.command == "stop":
            stop(options.port)
            return 0
        if not all("=" in row for row in options.set):
            parser.error("--set takes KEY=VALUE")
        settings = dict(row.split("=", 1) for row in options.set)
        {"run": run, "start": start}[options.command](options.port, settings, options.ready_file)
    except RefereeError as error:
        print(f"tools/kafka.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
