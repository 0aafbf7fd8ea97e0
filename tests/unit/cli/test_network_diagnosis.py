"""What the doctor says of ports: free, taken, HTTP, TLS, wrong address."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from fakebus.addresses import Address
from fakebus.cli.diagnosis import network
from fakebus.cli.diagnosis.finding import Severity
from fakebus.cli.diagnosis.service import Service, identify
from fakebus.processes import port_owner
from tests.unit.cli.servers import Answer, answering, closed_port

# What TLS servers answer to what is no TLS: a fatal alert, unexpected_message.
TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x0a"


def kafka(rest: bytes) -> bytes:
    # The first byte of the size is already read: 3 of size, key and version, correlation id.
    return b"\x00\x00\x00\x0a" + rest[7:11] + b"\x00\x00\x00\x00\x00\x00"


def http_only_to_http(rest: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\n\r\n" if rest.startswith(b"ET ") else b""


def tls_only_to_tls(rest: bytes) -> bytes:
    # 16 03: the handshake record of a ClientHello.
    return TLS_ALERT if rest.startswith(b"\x03") else b""


@pytest.mark.parametrize(
    ("answer", "service"),
    [
        (kafka, Service.KAFKA),
        (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", Service.HTTP),
        (http_only_to_http, Service.HTTP),
        (lambda _: TLS_ALERT, Service.TLS),
        (tls_only_to_tls, Service.TLS),
        (lambda _: b"220 mail.example ESMTP\r\n", Service.UNKNOWN),
        (lambda _: b"", Service.UNKNOWN),
    ],
    ids=["kafka", "http", "patient http", "tls", "strict tls", "mail", "silence"],
)
def test_a_service_is_known_by_its_answer(answer: Answer, service: Service) -> None:
    with answering(answer) as address:
        assert identify(address) is service


def test_a_closed_port_is_a_problem_with_the_command_that_starts_a_bus() -> None:
    address = closed_port()
    found = network.check_bootstrap(address, encrypted=False)
    assert found.severity is Severity.PROBLEM
    assert "nothing listens" in found.text
    assert f"fakebus up --kafka {address}" in found.advice[0]


def test_an_unknown_host_name_is_told_apart_from_a_closed_port() -> None:
    found = network.check_bootstrap(Address("kafka.invalid", 9092), encrypted=False)
    assert "the host name kafka.invalid is unknown here" in found.text
    assert "Docker" in " ".join(found.advice)


@pytest.mark.parametrize(
    ("answer", "encrypted", "says"),
    [
        (lambda _: b"HTTP/1.1 400 Bad\r\n\r\n", False, "speaks HTTP, not Kafka"),
        (lambda _: TLS_ALERT, False, "speaks TLS"),
        (lambda _: b"", False, "does not answer as Kafka"),
        (kafka, True, "without TLS, but the client is told to use TLS"),
    ],
)
def test_what_is_not_the_expected_kafka_is_a_problem(
    answer: Answer, encrypted: bool, says: str
) -> None:
    with answering(answer) as address:
        found = network.check_bootstrap(address, encrypted=encrypted)
    assert found.severity is Severity.PROBLEM
    assert says in found.text
    assert found.advice


def test_kafka_and_tls_as_expected_are_fine() -> None:
    with answering(kafka) as address:
        assert network.check_bootstrap(address, encrypted=False).severity is Severity.FINE
    with answering(lambda _: TLS_ALERT) as address:
        assert network.check_bootstrap(address, encrypted=True).severity is Severity.FINE


def test_an_advertised_address_that_was_asked_for_needs_no_words() -> None:
    address = closed_port()
    assert list(network.check_advertised([address], [address])) == []


def test_an_advertised_address_that_cannot_be_reached_is_a_problem() -> None:
    asked, told = Address("127.0.0.1", 9092), closed_port()
    (found,) = network.check_advertised([asked], [told])
    assert found.severity is Severity.PROBLEM
    assert f"tells clients to go on to {told}" in found.text
    assert f"--advertise {asked}" in found.advice[0]


def test_another_advertised_address_is_fine_only_if_kafka_is_there() -> None:
    asked = Address("127.0.0.1", 9092)
    with answering(kafka) as told:
        (found,) = network.check_advertised([asked], [told])
        assert found.severity is Severity.FINE
    with answering(lambda _: b"HTTP/1.1 400 Bad\r\n\r\n") as told:
        (found,) = network.check_advertised([asked], [told])
        assert found.severity is Severity.PROBLEM


def test_a_free_port_is_fine_and_a_taken_one_is_not() -> None:
    assert network.check_port(closed_port()).severity is Severity.FINE
    with answering(kafka) as address:
        found = network.check_port(address)
    assert found.severity is Severity.PROBLEM
    assert "is taken" in found.text
    assert "it speaks Kafka" in found.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/net/tcp")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_owner_of_a_port_is_found_in_proc(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        address = Address(host, listener.getsockname()[1])
        owner = port_owner(address)
    assert owner is not None
    assert owner.pid == os.getpid()
    assert port_owner(address) is None


def test_without_proc_the_owner_stays_unknown(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
        assert port_owner(address, proc=tmp_path / "none") is None
