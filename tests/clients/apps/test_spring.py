"""Spring Kafka: topics of retries with a dead letter topic, and transactions by its manager."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.build import JVM_OPTIONS, built, find_tool, run
from tests.clients.cluster import Cluster
from tests.clients.python.isolation import READ_UNCOMMITTED, read

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SOURCES = Path(__file__).parent / "spring"
POM, PROGRAM = SOURCES / "pom.xml", SOURCES / "Orders.java"
WAIT_S = 120.0
Start = Callable[..., "subprocess.Popen[bytes]"]


def jars() -> str:
    def fetch(directory: Path, output: Path) -> None:
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
        command = [find_tool("mvn", "Maven"), "-q", "-B", "-f", str(POM), *goal]
        run([*command, f"-DoutputDirectory={output}"], directory)

    return f"{built('spring-jars', fetch, [POM])}/*"


@pytest.fixture(scope="module")
def java() -> list[str]:
    """The command that runs the application, without its settings."""

    def compile_program(directory: Path, output: Path) -> None:
        javac = find_tool("javac", "a JDK 17 or later")
        options = ["--release", "17", "-Xlint:all,-processing", "-parameters", "-cp", jars()]
        run([javac, *options, "-d", str(output), str(PROGRAM)], directory)

    classes = built("spring", compile_program, [POM, PROGRAM])
    options = [option for option in JVM_OPTIONS if not option.startswith("-Dlog4j2")]
    return [find_tool("java", "a JDK 17 or later"), *options, "-cp", f"{classes}:{jars()}"]


class Application:
    """The application: where its orders are and its answers go, and its process."""

    def __init__(self, cluster: Cluster, java: list[str], directory: Path, name: str) -> None:
        self.source, self.answers = f"{name}-orders", f"{name}-answers"
        self._cluster = cluster
        self._directory = directory
        self._command = [*java, "orders.Orders"]
        self._settings = {
            "source": self.source,
            "group": name,
            "spring.kafka.bootstrap-servers": cluster.bootstrap_servers,
            "spring.kafka.template.default-topic": self.answers,
            "spring.kafka.consumer.auto-offset-reset": "earliest",
            "spring.kafka.consumer.properties[session.timeout.ms]": "6000",
            "spring.kafka.consumer.properties[heartbeat.interval.ms]": "1000",
        }
        self._process: subprocess.Popen[bytes] | None = None
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
        topics = [NewTopic(self.source, 2, 1), NewTopic(self.answers, 1, 1)]
        for created in admin.create_topics(topics).values():
            created.result()

    def start(self, profile: str, **settings: str) -> None:
        named = {"spring.profiles.active": profile, **self._settings, **settings}
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *(f"--{name}={value}" for name, value in named.items())],
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def order(self, *orders: str) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": self._cluster.bootstrap_servers})
        for number, each in enumerate(orders):
            producer.produce(self.source, each, partition=number % 2)
        assert producer.flush(60) == 0

    def answered(self, count: int) -> Counter[str]:
        """Return the answers that are committed, once there are so many.

        Raises:
            AssertionError: it took too long, or the process has ended.
        """
        deadline = time.monotonic() + WAIT_S
        while len(found := self.read()) < count:
            log = (self._directory / "log").read_text()[-6000:]
            assert self._process is not None
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, (sorted(found), log)
            time.sleep(0.3)
        return Counter(found)

    def read(self, isolation: str = "read_committed") -> list[str]:
        values = read(self._cluster, self.answers, isolation)
        return [value.decode() for value in values if value is not None]


@pytest.fixture
def application(
    cluster: Cluster, java: list[str], tmp_path: Path, unique: Callable[[str], str]
) -> Iterator[Application]:
    application = Application(cluster, java, tmp_path, unique("spring"))
    yield application
    application.kill()


def test_what_fails_is_tried_again_by_topics_of_retries_and_ends_in_the_dead_letter_topic(
    application: Application, cluster: Cluster
) -> None:
    application.order("good 1", "shaky 1", "bad 1", "good 2", "bad 2", "shaky 2")

    application.start("retries")

    source = application.source
    assert application.answered(6) == Counter(
        [
            *(f"{order} {source}" for order in ("good 1", "good 2")),
            *(f"{order} {source}-retry-0" for order in ("shaky 1", "shaky 2")),
            *(f"{order} {source}-dlt" for order in ("bad 1", "bad 2")),
        ]
    )
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    topics = admin.list_topics(timeout=60).topics
    made = {name: len(topic.partitions) for name, topic in topics.items() if source in name}
    assert made == dict.fromkeys(
        [source, *(f"{source}-{suffix}" for suffix in ("retry-0", "retry-1", "dlt"))], 2
    )


def test_each_order_is_answered_in_one_committed_transaction_while_the_application_is_killed(
    application: Application,
) -> None:
    # Retried in place, since its rollback seeks back; what a failed attempt has sent is aborted.
    settings = {
        "spring.kafka.producer.transaction-id-prefix": f"{application.source}-",
        "spring.kafka.consumer.isolation-level": "read_committed",
        "spring.kafka.consumer.max-poll-records": "20",
    }
    rounds = 3
    for number in range(rounds):
        application.order(
            *(f"{kind} {number} {n}" for n in range(50) for kind in ("good", "shaky"))
        )
        application.start("transactions", **settings)
        application.answered(100 * number + 30)
        application.kill()
    application.start("transactions", **settings)
    told = application.answered(100 * rounds)

    assert told == Counter(
        f"{kind} {number} {n} {application.source}"
        for number in range(rounds)
        for n in range(50)
        for kind in ("good", "shaky")
    )
    assert len(application.read(READ_UNCOMMITTED)) > 100 * rounds
