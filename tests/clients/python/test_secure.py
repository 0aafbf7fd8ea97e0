"""``fakebus up --secure``: clients that set exactly what it prints."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiokafka
import confluent_kafka
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from fakebus.addresses import Address
from fakebus.config import Settings
from fakebus.errors import ConfigError
from fakebus.secure.setup import CLIENTS, SecureSetup

pytestmark = pytest.mark.clients

START_TIMEOUT_S = 60


class Secure:
    """Bus in a process of its own, and what it has printed."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self.directory = directory / "fakebus-secure"
        output = directory / "output"
        with output.open("w") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "fakebus", "up", "--memory", "--secure"),
                    *("--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", *flags),
                ],
                cwd=directory,
                env={k: v for k, v in os.environ.items() if not k.startswith("FAKEBUS_")},
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
        until = time.monotonic() + START_TIMEOUT_S
        while "sarama.NewClient" not in output.read_text():
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        self.printed = dict(re.findall(r"^# (\S+)\n((?:.+\n)+)", output.read_text(), re.MULTILINE))

    def properties(self, text: str) -> dict[str, Any]:
        return dict(line.split("=", 1) for line in text.splitlines())


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    started = Secure(tmp_path_factory.mktemp("secure"))
    yield started
    started.process.terminate()
    assert started.process.wait(START_TIMEOUT_S) == 0


async def test_clients_log_in_with_what_is_printed(bus: Secure) -> None:
    config = bus.properties(bus.printed["librdkafka.properties"])
    client = AdminClient(config)
    client.create_topics([NewTopic("t", 1, 1)])["t"].result(60)
    told: list[Any] = []
    producer = confluent_kafka.Producer(config)
    producer.produce("t", b"hello", on_delivery=lambda error, _: told.append(error))
    producer.flush(60)
    assert told == [None]
    scope: dict[str, Any] = {}
    exec(bus.printed["aiokafka.py"], scope)  # noqa: S102 - it is ours, and what is tested
    consumer = aiokafka.AIOKafkaConsumer(
        "t", **scope["config"], group_id="g", auto_offset_reset="earliest"
    )
    await consumer.start()
    assert (await consumer.getone()).value == b"hello"
    await consumer.stop()


def test_the_user_of_services_may_not_change_acls_and_the_other_may(bus: Secure) -> None:
    wanted = AclBinding(
        ResourceType.TOPIC,
        "t",
        ResourcePatternType.LITERAL,
        "User:other",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )

    def create(name: str) -> None:
        client = AdminClient(bus.properties((bus.directory / name).read_text()))
        client.create_acls([wanted])[wanted].result(60)

    create("admin.librdkafka.properties")
    with pytest.raises(confluent_kafka.KafkaException, match="CLUSTER_AUTHORIZATION_FAILED"):
        create("librdkafka.properties")


def test_who_logs_in_goes_on_while_brokers_stop_and_may_do_no_more_than_before(
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready.json"
    bus = Secure(tmp_path, "--brokers", "3", "--ready-file", str(ready))
    try:
        http = json.loads(ready.read_text())["http_url"]
        config = bus.properties((bus.directory / "librdkafka.properties").read_text())
        admin, producer = AdminClient(config), confluent_kafka.Producer(config)
        admin.create_topics([NewTopic("t", 3, 3)])["t"].result(60)
        wanted = AclBinding(
            *(ResourceType.TOPIC, "t", ResourcePatternType.LITERAL, "User:other", "*"),
            *(AclOperation.READ, AclPermissionType.ALLOW),
        )
        told: list[Any] = []
        for broker, verb in itertools.product((1, 2, 3), ("stop", "start")):
            asked = Request(f"{http}/_fakebus/v1/brokers/{broker}/{verb}", method="POST")  # noqa: S310
            urlopen(asked).close()  # noqa: S310 - it is ours
            for partition in range(3):
                producer.produce(
                    "t", verb, partition=partition, on_delivery=lambda error, _: told.append(error)
                )
            assert producer.flush(60) == 0
        other = AdminClient(config)
        with pytest.raises(confluent_kafka.KafkaException, match="it takes ALTER"):
            other.create_acls([wanted])[wanted].result(60)
        assert told == [None] * 18
    finally:
        bus.process.terminate()
        assert bus.process.wait(START_TIMEOUT_S) == 0


def test_what_is_in_the_directory_is_for_its_owner_and_complete(bus: Secure) -> None:
    assert set(bus.printed) == set(CLIENTS)
    modes = {path.name: path.stat().st_mode & 0o777 for path in bus.directory.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3 + 2 * len(CLIENTS)


def test_a_second_start_keeps_users_and_certificates_unless_the_hosts_change(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "new" / "secure"

    def files(**settings: Any) -> tuple[str, str]:
        made = SecureSetup(directory, Settings(**settings))
        users = made.applied_to(Settings()).set["fakebus.sasl.users"]
        return users, (directory / "broker.pem").read_text()

    users, broker = files()
    assert files() == (users, broker)
    changed = files(kafka=(Address("kafka.example", 9092),))
    assert changed[0] == users
    assert changed[1] != broker


@pytest.mark.parametrize("content", ["[]", "{", "{}", '{"users": {"admin": "a"}}', "\xff"])
def test_a_directory_that_holds_something_else_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "setup.json"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"setup\.json was not written by fakebus"):
        SecureSetup(tmp_path, Settings())
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_text(encoding="latin-1") == content


@pytest.mark.parametrize("name", ["ca.pem", "broker.pem", "sarama.go", "admin.aiokafka.py"])
def test_files_of_others_are_not_overwritten(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=f"{name} was not written by fakebus and would be over"):
        SecureSetup(tmp_path, Settings())
    assert [*tmp_path.iterdir()] == [file]


def test_a_start_that_was_cut_off_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("fakebus.secure.certificates.new_certificates", cut_off)
        with pytest.raises(KeyboardInterrupt):
            SecureSetup(tmp_path, Settings())
    SecureSetup(tmp_path, Settings())
    assert "BEGIN CERTIFICATE" in (tmp_path / "broker.pem").read_text()
