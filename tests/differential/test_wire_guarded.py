"""Brokers with a login and without auto-creation: each side is started for these tests."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ApiVersionsRequest,
    MetadataRequest,
    MetadataRequestTopic,
    SaslAuthenticateRequest,
    SaslHandshakeRequest,
)
from tests.differential.sides import CLOSED, Side, Sides
from tools.kafka import free_port, running_kafka

pytestmark = pytest.mark.kafka

LOGIN = b"\0alice\0secret"
JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'user_alice="secret" user_bob="pw";'
)
WITHOUT_AUTO_CREATION = {"auto.create.topics.enable": "false"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[dict[str, Sides]]:
    """Both brokers by the protocol of their listener."""
    plain, controller, sasl = (f"127.0.0.1:{free_port()}" for _ in range(3))
    settings = {
        **WITHOUT_AUTO_CREATION,
        "listeners": f"PLAINTEXT://{plain},CONTROLLER://{controller},SASL_PLAINTEXT://{sasl}",
        "advertised.listeners": f"PLAINTEXT://{plain},SASL_PLAINTEXT://{sasl}",
        "controller.quorum.voters": f"1@{controller}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"
        ),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": JAAS,
    }
    bus = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0), KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT")),
        http=(),
        set={
            **WITHOUT_AUTO_CREATION,
            "sasl.enabled.mechanisms": "PLAIN",
            "fakebus.sasl.users": "alice:secret,bob:pw",
        },
    )
    port = int(plain.rpartition(":")[2])
    with running_kafka(settings, port), FakeBus.thread(bus) as running:
        yield {
            protocol: Sides(Side(theirs), Side(str(ours)))
            for protocol, theirs, ours in zip(
                ("PLAINTEXT", "SASL_PLAINTEXT"), (plain, sasl), running.kafka_addresses, strict=True
            )
        }


@pytest.mark.parametrize("version", range(14))
def test_topics_are_not_created(guarded: dict[str, Sides], version: int) -> None:
    def scenario(side: Side) -> Any:
        topics = [MetadataRequestTopic(name=name) for name in ("unknown", "bad name")]
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=True)
        return [side.ask(ApiKey.METADATA, version, request) for _ in range(2)]

    guarded["PLAINTEXT"].compare(scenario)


def api_versions(side: Side, version: int = 3) -> Any:
    request = ApiVersionsRequest(client_software_name="a", client_software_version="1")
    answer = side.ask(ApiKey.API_VERSIONS, version, request)
    return answer if answer == CLOSED else answer["error_code"]


def handshake(side: Side, mechanism: str = "PLAIN", version: int = 1) -> Any:
    return side.ask(ApiKey.SASL_HANDSHAKE, version, SaslHandshakeRequest(mechanism=mechanism))


def authenticate(side: Side, token: bytes = LOGIN, version: int = 2) -> Any:
    return side.ask(ApiKey.SASL_AUTHENTICATE, version, SaslAuthenticateRequest(auth_bytes=token))


def metadata(side: Side) -> Any:
    answer = side.ask(ApiKey.METADATA, 9, MetadataRequest(topics=[]))
    return answer if answer == CLOSED else len(answer["brokers"])


def bare_token(side: Side, token: bytes = LOGIN) -> Any:
    return side.ask_bytes(struct.pack(">i", len(token)) + token)


STEPS: dict[str, list[Any]] = {
    "login": [api_versions, handshake, authenticate, metadata, api_versions],
    "without ApiVersions": [handshake, authenticate, metadata],
    "no login": [metadata],
    "no login after ApiVersions": [api_versions, metadata],
    "ApiVersions twice": [api_versions, api_versions, handshake, authenticate],
    "ApiVersions 0": [lambda side: api_versions(side, 0), handshake, authenticate, metadata],
    "metadata after the handshake": [api_versions, handshake, metadata],
    "ApiVersions after the handshake": [api_versions, handshake, api_versions, authenticate],
    "token without a handshake": [authenticate],
    "token without a handshake after ApiVersions": [api_versions, authenticate, handshake],
    "unknown mechanism": [api_versions, lambda side: handshake(side, "GSSAPI"), handshake],
    "handshake twice": [handshake, handshake],
    "wrong password": [handshake, lambda side: authenticate(side, b"\0alice\0no"), metadata],
    "unknown user": [handshake, lambda side: authenticate(side, b"\0eve\0no"), metadata],
    "other authorization id": [handshake, lambda side: authenticate(side, b"bob\0alice\0secret")],
    "same authorization id": [handshake, lambda side: authenticate(side, b"alice\0alice\0secret")],
    "empty token": [handshake, lambda side: authenticate(side, b"")],
    "two parts": [handshake, lambda side: authenticate(side, b"alice\0secret")],
    "four parts": [handshake, lambda side: authenticate(side, b"\0alice\0secret\0")],
    "empty user": [handshake, lambda side: authenticate(side, b"\0\0secret")],
    "empty password": [handshake, lambda side: authenticate(side, b"\0alice\0")],
    "another token after the login": [handshake, authenticate, authenticate, metadata],
    "another handshake after the login": [handshake, authenticate, handshake, metadata],
    "the login again": [handshake, authenticate, handshake, authenticate, metadata],
    "somebody else's login": [
        handshake,
        authenticate,
        handshake,
        lambda side: authenticate(side, b"\0bob\0pw"),
        metadata,
    ],
    "bare token": [lambda side: handshake(side, version=0), bare_token, metadata],
    "wrong bare token": [
        lambda side: handshake(side, version=0),
        lambda side: bare_token(side, b"\0alice\0no"),
    ],
    "bare token after the new handshake": [handshake, bare_token],
    "request after the old handshake": [lambda side: handshake(side, version=0), authenticate],
    **{
        f"version {version}": [
            handshake,
            lambda side, version=version: authenticate(side, version=version),
            metadata,
        ]
        for version in (0, 1, 2)
    },
    **{
        f"wrong password in version {version}": [
            handshake,
            lambda side, version=version: authenticate(side, b"\0alice\0no", version),
        ]
        for version in (0, 1, 2)
    },
}


@pytest.mark.parametrize("name", STEPS)
def test_logins(guarded: dict[str, Sides], name: str) -> None:
    def scenario(side: Side) -> Any:
        side.disconnect()
        answers = []
        for step in STEPS[name]:
            answers.append(step(side))
            if answers[-1] == CLOSED:
                break
        side.disconnect()
        return answers

    guarded["SASL_PLAINTEXT"].compare(scenario)
