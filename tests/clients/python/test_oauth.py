"""Real clients log in with tokens: unsecured ones, and ones signed by a key of a JWKS."""

from __future__ import annotations

import time
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient

from fakebus.addresses import KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.unit.kafka.test_oauth import jwks, new_keys, signed, unsecured

pytestmark = pytest.mark.clients


def settings(**configs: str) -> Settings:
    address = KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT")
    chosen = {"sasl.enabled.mechanisms": "OAUTHBEARER", **configs}
    return Settings(data=None, http=(), kafka=(address,), set=chosen)


def login(bus: FakeBus, token: str) -> str:
    """Return what a client is told that shows a token; nothing if it may go on."""
    told: list[str] = []
    client = AdminClient(
        {
            "bootstrap.servers": bus.bootstrap_servers,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "oauth_cb": lambda _: (token, time.time() + 300),
            "error_cb": lambda error: told.append(error.str()),
        }
    )
    client.poll(0)
    until = time.monotonic() + 60
    while not told and time.monotonic() < until:
        try:
            client.list_topics(timeout=0.2)
        except confluent_kafka.KafkaException:
            client.poll(0)
        else:
            return ""
    return told[0]


def test_an_unsecured_token_says_who_a_client_is() -> None:
    with BusThread(FakeBus(settings())) as thread:
        assert login(thread.bus, unsecured()) == ""
        assert "the token has expired" in login(thread.bus, unsecured(exp=1))


def test_a_token_that_a_key_of_a_file_has_signed_lets_a_client_in(tmp_path: Path) -> None:
    keys = new_keys()
    file = tmp_path / "jwks.json"
    file.write_text(jwks(keys, "rsa", "ec"))
    configs = {"sasl.oauthbearer.jwks.endpoint.url": file.as_uri()}
    with BusThread(FakeBus(settings(**configs))) as thread:
        assert login(thread.bus, signed(keys, "rsa")) == ""
        assert login(thread.bus, signed(keys, "ec")) == ""
