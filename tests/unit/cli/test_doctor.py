"""The doctor as a command: findings, exit codes, output."""

from __future__ import annotations

import json
import time

import pytest

from fakebus.addresses import Address
from fakebus.cli.main import run
from tests.client_logs import without_client_logs
from tests.unit.cli.metadata_server import metadata_server
from tests.unit.cli.servers import answering, closed_port

PATIENCE_S = 40
"""That of the client library is a minute."""


def test_a_closed_port_exits_with_1_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    address = closed_port()
    assert run(["doctor", "--bootstrap-server", str(address)]) == 1
    output = capsys.readouterr().out
    assert f"problem: {address}: nothing listens" in output
    assert f"-> start the bus:  fakebus up --kafka {address}" in output
    assert output.endswith("1 problem found\n")


def test_the_address_can_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = closed_port()
    monkeypatch.setenv("FAKEBUS_BOOTSTRAP_SERVERS", str(address))
    assert run(["doctor"]) == 1
    assert str(address) in capsys.readouterr().out


def test_an_advertised_address_that_nobody_knows_is_explained(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with metadata_server(Address("kafka.invalid", 29092)) as asked:
        assert run(["doctor", "--bootstrap-server", str(asked)]) == 1
    output, errors = capfd.readouterr()
    log = without_client_logs(errors)
    words = " ".join(output.split())
    assert f"ok: {asked} speaks Kafka" in words
    assert f"problem: {asked} answers, but tells clients to go on to kafka.invalid:29092" in words
    assert "the host name kafka.invalid is unknown here" in words
    assert f"--advertise {asked}" in words
    assert log == ""


def test_an_advertised_address_where_nothing_listens_is_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = closed_port()
    with metadata_server(told) as asked:
        assert run(["doctor", "--bootstrap-server", str(asked)]) == 1
    assert f"go on to {told}: nothing" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "command", [["topics"], ["groups"], ["tail", "orders"], ["produce", "orders", "--value", "a"]]
)
def test_commands_do_not_hang_on_a_wrong_advertised_address(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with metadata_server(Address("kafka.invalid", 29092)) as asked:
        started = time.monotonic()
        assert run([*command, "--bootstrap-server", str(asked)]) == 2
    assert time.monotonic() - started < PATIENCE_S
    log = without_client_logs(capfd.readouterr().err)
    assert "sends clients on to kafka.invalid:29092" in log
    assert "fakebus doctor" in log
    assert log.count("\n") == 1


@pytest.mark.parametrize("command", [["topics"], ["groups"], ["tail", "orders"]])
def test_an_unreachable_broker_is_one_clear_line_and_not_waited_for(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    address = closed_port()
    started = time.monotonic()
    assert run([*command, "--bootstrap-server", str(address)]) == 2
    assert time.monotonic() - started < PATIENCE_S
    output, errors = capfd.readouterr()
    log = without_client_logs(errors)
    assert output == ""
    assert log.startswith(f"fakebus: cannot reach Kafka at {address}: nothing listens")
    assert log.count("\n") == 1


def test_a_port_that_is_not_kafka_is_reported_without_a_wait_and_log_noise(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with answering(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        started = time.monotonic()
        assert run(["topics", "--bootstrap-server", str(address)]) == 2
    assert time.monotonic() - started < PATIENCE_S
    log = without_client_logs(capfd.readouterr().err)
    assert "does not answer as Kafka" in log
    assert log.count("\n") == 1


def test_json_output_has_severity_text_and_advice(capsys: pytest.CaptureFixture[str]) -> None:
    address = closed_port()
    arguments = ["doctor", "--bootstrap-server", str(address), "--format", "json"]
    assert run(arguments) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["severity"] == "problem"
    assert str(address) in found["text"]
    assert found["advice"]


def test_port_check_exits_with_0_when_the_port_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--port-check", str(closed_port())]) == 0
    assert "is free" in capsys.readouterr().out
    with answering(lambda _: b"") as address:
        assert run(["doctor", "--port-check", str(address)]) == 1
    assert f"{address} is taken" in " ".join(capsys.readouterr().out.split())


def test_a_bad_address_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--bootstrap-server", "a:b"]) == 2
    assert "is not an address" in capsys.readouterr().err


def test_a_setting_that_the_client_does_not_know_is_bad_input(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with metadata_server(closed_port()) as asked:
        arguments = ["topics", "--bootstrap-server", str(asked), "--client-config", "no.such=1"]
        assert run(arguments) == 2
    assert "no.such" in capsys.readouterr().err
