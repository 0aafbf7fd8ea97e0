"""Requests at the wrong moment of a login, as Kafka 4.3 answers them; by raw frames.

Each answer was settled by asking Kafka itself, see tests/differential/test_wire_guarded.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakebus.addresses import KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ApiVersionsRequest,
    MetadataRequest,
    MetadataRequestTopic,
    SaslAuthenticateRequest,
    SaslHandshakeRequest,
)
from tests.wire.client import RawClient

HANDSHAKE = SaslHandshakeRequest(mechanism="PLAIN")
TOKEN = SaslAuthenticateRequest(auth_bytes=b"\0alice\0secret")
VERSIONS = ApiVersionsRequest(client_software_name="a", client_software_version="1")
METADATA = MetadataRequest(topics=[MetadataRequestTopic(name="t")])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    settings = Settings(
        data=None,
        kafka=(KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT"),),
        http=(),
        set={"fakebus.sasl.users": "alice:secret"},
    )
    with BusThread(FakeBus(settings)) as thread:
        yield thread.bus.bootstrap_servers


@pytest.fixture
def stranger(address: str) -> Iterator[RawClient]:
    with RawClient(address) as client:
        yield client


def test_versions_are_told_once_before_the_login(stranger: RawClient) -> None:
    assert stranger.call(ApiKey.API_VERSIONS, 3, VERSIONS).error_code == 0
    stranger.send(ApiKey.API_VERSIONS, 3, VERSIONS)
    assert stranger.is_closed_by_peer()


def test_versions_may_be_asked_again_after_a_refusal(stranger: RawClient) -> None:
    nameless = ApiVersionsRequest(client_software_name="", client_software_version="")
    assert stranger.call(ApiKey.API_VERSIONS, 3, nameless).error_code == 42
    assert stranger.call(ApiKey.API_VERSIONS, 0, ApiVersionsRequest()).error_code == 0
    assert stranger.call(ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE).error_code == 0


def test_a_mechanism_that_is_not_served_is_answered_and_ends_the_connection(
    stranger: RawClient,
) -> None:
    unknown = SaslHandshakeRequest(mechanism="GSSAPI")
    answer = stranger.call(ApiKey.SASL_HANDSHAKE, 1, unknown)
    assert answer.error_code == 33
    assert "PLAIN" in answer.mechanisms
    assert stranger.is_closed_by_peer()


def test_a_token_without_a_handshake_closes_the_connection(stranger: RawClient) -> None:
    stranger.send(ApiKey.SASL_AUTHENTICATE, 2, TOKEN)
    assert stranger.is_closed_by_peer()


@pytest.mark.parametrize(
    ("api", "version", "request_"),
    [
        (ApiKey.API_VERSIONS, 3, VERSIONS),
        (ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE),
    ],
)
def test_other_requests_before_the_token_are_answered_and_end_the_connection(
    stranger: RawClient, api: ApiKey, version: int, request_: object
) -> None:
    stranger.call(ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE)
    assert stranger.call(api, version, request_).error_code == 34
    assert stranger.is_closed_by_peer()


def test_metadata_before_the_token_is_refused_topic_by_topic(stranger: RawClient) -> None:
    stranger.call(ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE)
    answer = stranger.call(ApiKey.METADATA, 9, METADATA)
    assert [(topic.name, topic.error_code) for topic in answer.topics] == [("t", 34)]
    assert answer.brokers == []
    assert stranger.is_closed_by_peer()


def test_a_second_login_is_refused_without_harm(stranger: RawClient) -> None:
    stranger.call(ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE)
    first = stranger.call(ApiKey.SASL_AUTHENTICATE, 2, TOKEN)
    assert (first.error_code, first.error_message) == (0, "")
    again = stranger.call(ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE)
    assert (again.error_code, again.mechanisms) == (34, [])
    assert stranger.call(ApiKey.SASL_AUTHENTICATE, 2, TOKEN).error_code == 34
    assert stranger.call(ApiKey.METADATA, 9, METADATA).brokers


def test_large_requests_are_taken_from_clients_that_have_logged_in_and_from_no_others(
    stranger: RawClient, address: str
) -> None:
    large = MetadataRequest(topics=[MetadataRequestTopic(name="t" * 200)] * 3000)
    with RawClient(address) as other:
        other.call(ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE)
        other.send(ApiKey.METADATA, 9, large)
        assert other.is_closed_by_peer()
    stranger.call(ApiKey.SASL_HANDSHAKE, 1, HANDSHAKE)
    assert stranger.call(ApiKey.SASL_AUTHENTICATE, 2, TOKEN).error_code == 0
    assert stranger.call(ApiKey.METADATA, 9, large).brokers
