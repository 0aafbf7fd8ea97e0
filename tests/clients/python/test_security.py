"""Real clients log in and speak TLS, each on a bus with a listener for every protocol."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiokafka
import confluent_kafka
import pytest

from fakebus.addresses import KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.errors import ConfigError
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ApiVersionsRequest,
    MetadataRequest,
    SaslAuthenticateRequest,
    SaslHandshakeRequest,
)
from tests.wire.client import RawClient

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates"),
]

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
USERS = "alice:secret,bob:pw"
TOPIC = "safe"
WAIT_S = 60


class Refused(Exception):  # noqa: N818 - what has happened
    """The client could not connect."""


class Certificates:
    """An authority, a broker and a client, each with a key and a certificate."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = directory / "authority.crt"
        self._run(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=authority"),
            # Python 3.13 checks strictly (VERIFY_X509_STRICT) and wants these.
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", "authority.key", "-out", "authority.crt"),
        )
        self.broker = self._issue("broker", "/CN=broker")
        self.client = self._issue("client", "/C=DE/O=Example, Inc/CN=client")

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments],
            cwd=self._directory,
            check=True,
            capture_output=True,
        )

    def _issue(self, name: str, subject: str) -> Path:
        (self._directory / f"{name}.ext").write_text(
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        self._run(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        self._run(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.crt"),
            *("-CAkey", "authority.key", "-CAcreateserial", "-days", "2"),
            *("-extfile", f"{name}.ext", "-out", f"{name}.crt"),
        )
        both = self._directory / f"{name}.pem"
        both.write_text(self.key(name) + self.chain(name))
        return both

    def key(self, name: str) -> str:
        return (self._directory / f"{name}.key").read_text()

    def chain(self, name: str) -> str:
        return (self._directory / f"{name}.crt").read_text()

    def context(self, *, with_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        if with_certificate:
            context.load_cert_chain(self.client)
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Bus:
    """A running bus and the addresses of its listeners by protocol."""

    def __init__(self, bus: FakeBus, certificates: Certificates) -> None:
        self.bus = bus
        self.certificates = certificates
        self.address = {
            listener.name: str(address)
            for listener, address in zip(bus.listeners, bus.kafka_addresses, strict=True)
        }


def settings(*protocols: str, **configs: str) -> Settings:
    return Settings(
        data=None,
        http=(),
        kafka=tuple(KafkaAddress("127.0.0.1", 0, protocol) for protocol in protocols),
        set={name.replace("_", "."): value for name, value in configs.items()},
    )


@pytest.fixture(scope="module")
def bus(certificates: Certificates) -> Iterator[Bus]:
    """A bus with all protocols side by side."""
    chosen = settings(
        *PROTOCOLS,
        fakebus_sasl_users=USERS,
        ssl_keystore_type="PEM",
        ssl_keystore_location=str(certificates.broker),
        auto_create_topics_enable="true",
    )
    with BusThread(FakeBus(chosen)) as thread:
        yield Bus(thread.bus, certificates)


@pytest.fixture(scope="module")
def mutual(certificates: Certificates) -> Iterator[Bus]:
    """A bus that demands certificates of its clients, and has its own given inline."""
    chosen = settings(
        "PLAINTEXT",
        "SSL",
        ssl_keystore_certificate_chain=certificates.chain("broker"),
        ssl_keystore_key=certificates.key("broker"),
        ssl_client_auth="required",
        ssl_truststore_type="PEM",
        ssl_truststore_location=str(certificates.authority),
        auto_create_topics_enable="true",
    )
    with BusThread(FakeBus(chosen)) as thread:
        yield Bus(thread.bus, certificates)


class Login:
    """How a client connects."""

    def __init__(
        self,
        bus: Bus,
        protocol: str,
        mechanism: str = "PLAIN",
        password: str = "secret",  # noqa: S107 - the test's own
        *,
        user: str = "alice",
        certificate: bool = False,
        patience_ms: int = 5_000,
    ) -> None:
        self.servers = bus.address[protocol]
        self.protocol = protocol
        self.mechanism = mechanism
        self.user = user
        self.password = password
        self.certificates = bus.certificates
        self.certificate = certificate
        self.patience_ms = patience_ms
        """How long kafka-python, which tries again whatever it is told, goes on trying."""

    def for_python(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "security_protocol": self.protocol,
        }
        if self.protocol.startswith("SASL"):
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        if self.protocol.endswith("SSL"):
            found["ssl_context"] = self.certificates.context(with_certificate=self.certificate)
        return found


def confluent_sends(login: Login) -> None:
    configs: dict[str, Any] = {
        "bootstrap.servers": login.servers,
        "security.protocol": login.protocol,
    }
    if login.protocol.startswith("SASL"):
        configs |= {
            "sasl.mechanism": login.mechanism,
            "sasl.username": login.user,
            "sasl.password": login.password,
        }
    if login.protocol.endswith("SSL"):
        configs["ssl.ca.location"] = str(login.certificates.authority)
        if login.certificate:
            configs["ssl.certificate.location"] = str(login.certificates.client)
            configs["ssl.key.location"] = str(login.certificates.client)
    failures: list[confluent_kafka.KafkaError] = []
    delivered: list[Any] = []
    producer = confluent_kafka.Producer({**configs, "error_cb": failures.append})
    producer.produce(TOPIC, b"x" * 100_000, on_delivery=lambda *answer: delivered.append(answer))
    for _ in range(WAIT_S * 10):
        producer.poll(0.1)
        if delivered or failures:
            break
    if delivered and delivered[0][0] is None:
        return
    producer.purge()
    producer.flush(WAIT_S)
    raise Refused(str(failures or delivered))


def aiokafka_sends(login: Login) -> None:
    async def send() -> None:
        producer = aiokafka.AIOKafkaProducer(**login.for_python(), request_timeout_ms=5_000)
        try:
            await producer.start()
            await producer.send_and_wait(TOPIC, b"x" * 100_000)
        except aiokafka.errors.KafkaError as error:
            raise Refused(repr(error)) from error
        finally:
            await producer.stop()

    asyncio.run(send())


KAFKA_PYTHON = """
import json, ssl, sys, warnings
warnings.simplefilter("ignore")
import kafka, kafka.errors
configs = json.load(sys.stdin)
tls, topic = configs.pop("tls"), configs.pop("topic")
if tls:
    context = ssl.create_default_context(cafile=tls["authority"])
    if tls["certificate"]:
        context.load_cert_chain(tls["certificate"])
    configs["ssl_context"] = context
try:
    producer = kafka.KafkaProducer(**configs)
    producer.send(topic, b"x" * 100_000).get(10)
    producer.close()
except kafka.errors.KafkaError as error:
    sys.exit(repr(error))
"""


def kafka_python_sends(login: Login) -> None:
    # In a process of its own: a producer that could not connect leaves its sockets and its
    # thread to the garbage collector, at a moment that belongs to some other test.
    configs = login.for_python()
    tls = None
    if configs.pop("ssl_context", None) is not None:
        certificate = str(login.certificates.client) if login.certificate else None
        tls = {"authority": str(login.certificates.authority), "certificate": certificate}
    done = subprocess.run(
        [sys.executable, "-c", KAFKA_PYTHON],
        input=json.dumps(
            {**configs, "tls": tls, "topic": TOPIC, "bootstrap_timeout_ms": login.patience_ms}
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise Refused(done.stderr)


SENDERS = {
    "confluent": confluent_sends,
    "aiokafka": aiokafka_sends,
    "kafka-python": kafka_python_sends,
}
Send = Callable[[Login], None]


@pytest.fixture(params=sorted(SENDERS))
def send(request: pytest.FixtureRequest) -> Send:
    """Make a client of one library send a record."""
    return SENDERS[request.param]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_client_with_the_right_password_gets_in(
    bus: Bus, send: Send, protocol: str, mechanism: str
) -> None:
    before = bus.bus.record_count()

    send(Login(bus, protocol, mechanism))

    assert bus.bus.record_count() == before + 1


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_client_with_a_wrong_password_is_kept_out(bus: Bus, send: Send, mechanism: str) -> None:
    before = bus.bus.record_count()

    with pytest.raises(Refused):
        send(Login(bus, "SASL_PLAINTEXT", mechanism, "wrong", patience_ms=1_500))

    assert bus.bus.record_count() == before


def test_librdkafka_says_that_the_login_failed(bus: Bus) -> None:
    with pytest.raises(Refused, match="_AUTHENTICATION"):
        confluent_sends(Login(bus, "SASL_PLAINTEXT", "SCRAM-SHA-256", user="nobody"))


def test_client_speaks_tls(bus: Bus, send: Send) -> None:
    before = bus.bus.record_count()

    send(Login(bus, "SSL"))

    assert bus.bus.record_count() == before + 1


def test_client_shows_its_certificate(mutual: Bus, send: Send) -> None:
    before = mutual.bus.record_count()

    send(Login(mutual, "SSL", certificate=True))

    assert mutual.bus.record_count() == before + 1


def test_client_without_a_certificate_is_kept_out(mutual: Bus, send: Send) -> None:
    before = mutual.bus.record_count()

    with pytest.raises(Refused):
        send(Login(mutual, "SSL", patience_ms=1_500))

    assert mutual.bus.record_count() == before


def test_plain_client_on_a_tls_port_disturbs_nobody(bus: Bus, send: Send) -> None:
    host, port = bus.address["SSL"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as stranger:
        stranger.sendall(b"\0\0\0\x10 this is not TLS")
        send(Login(bus, "SSL"))
        send(Login(bus, "PLAINTEXT"))
        while stranger.recv(1_000):
            pass


def test_all_protocols_serve_the_same_bus(bus: Bus) -> None:
    before = bus.bus.record_count()

    for protocol in PROTOCOLS:
        confluent_sends(Login(bus, protocol))

    assert bus.bus.record_count() == before + len(PROTOCOLS)


def test_stranger_may_ask_for_versions_and_is_dropped_for_anything_else(bus: Bus) -> None:
    with RawClient(bus.address["SASL_PLAINTEXT"]) as client:
        assert client.call(ApiKey.API_VERSIONS, 0, ApiVersionsRequest()).error_code == 0
        client.send(ApiKey.METADATA, 1, MetadataRequest(topics=None))
        assert client.is_closed_by_peer()


def test_unknown_mechanism_is_answered_with_the_known_ones(bus: Bus) -> None:
    with RawClient(bus.address["SASL_PLAINTEXT"]) as client:
        answer = client.call(ApiKey.SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="GSSAPI"))
        assert (answer.error_code, tuple(answer.mechanisms)) == (33, MECHANISMS)
        assert client.is_closed_by_peer()


def test_wrong_password_is_answered_and_then_the_connection_ends(bus: Bus) -> None:
    with RawClient(bus.address["SASL_PLAINTEXT"]) as client:
        client.call(ApiKey.SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="PLAIN"))
        answer = client.call(
            ApiKey.SASL_AUTHENTICATE, 2, SaslAuthenticateRequest(auth_bytes=b"\0alice\0wrong")
        )
        assert answer.error_code == 58
        assert "Invalid username or password" in answer.error_message
        assert client.is_closed_by_peer()


def test_old_handshake_is_followed_by_bare_tokens(bus: Bus) -> None:
    with RawClient(bus.address["SASL_PLAINTEXT"]) as client:
        client.call(ApiKey.SASL_HANDSHAKE, 0, SaslHandshakeRequest(mechanism="PLAIN"))
        token = b"\0bob\0pw"
        client.send_bytes(len(token).to_bytes(4, "big") + token)
        assert client.receive_frame() == b""
        assert client.call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).controller_id == 1


def test_wrong_bare_token_ends_the_connection(bus: Bus) -> None:
    with RawClient(bus.address["SASL_PLAINTEXT"]) as client:
        client.call(ApiKey.SASL_HANDSHAKE, 0, SaslHandshakeRequest(mechanism="PLAIN"))
        client.send_bytes(b"\0\0\0\4\0b\0x")
        assert client.is_closed_by_peer()


def test_plain_listener_answers_that_it_does_not_authenticate(bus: Bus) -> None:
    with RawClient(bus.address["PLAINTEXT"]) as client:
        handshake = SaslHandshakeRequest(mechanism="PLAIN")
        assert client.call(ApiKey.SASL_HANDSHAKE, 1, handshake).error_code == 34
        token = SaslAuthenticateRequest(auth_bytes=b"\0alice\0secret")
        assert client.call(ApiKey.SASL_AUTHENTICATE, 2, token).error_code == 34


def test_session_lifetime_is_told_and_the_client_may_log_in_again() -> None:
    chosen = settings(
        "SASL_PLAINTEXT", fakebus_sasl_users=USERS, connections_max_reauth_ms="3600000"
    )
    token = SaslAuthenticateRequest(auth_bytes=b"\0alice\0secret")
    with (
        BusThread(FakeBus(chosen)) as thread,
        RawClient(thread.bus.bootstrap_servers) as client,
    ):
        for _ in range(2):
            client.call(ApiKey.SASL_HANDSHAKE, 1, SaslHandshakeRequest(mechanism="PLAIN"))
            answer = client.call(ApiKey.SASL_AUTHENTICATE, 2, token)
            assert (answer.error_code, answer.session_lifetime_ms) == (0, 3_600_000)
            assert client.call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).controller_id == 1


@pytest.mark.parametrize(
    ("protocol", "configs", "named"),
    [
        ("SASL_PLAINTEXT", {}, "fakebus.sasl.users"),
        ("SASL_PLAINTEXT", {"fakebus.sasl.users": " "}, "fakebus.sasl.users"),
        (
            "SASL_PLAINTEXT",
            {"fakebus.sasl.users": USERS, "sasl.enabled.mechanisms": "GSSAPI"},
            "GSSAPI",
        ),
        ("SSL", {}, "ssl.keystore.location"),
        ("SSL", {"ssl.keystore.location": "broker.jks"}, "ssl.keystore.type=PEM"),
        (
            "SSL",
            {"ssl.keystore.type": "PEM", "ssl.keystore.location": "missing.pem"},
            "missing.pem",
        ),
        ("SSL", {"ssl.keystore.key": "key"}, "ssl.keystore.certificate.chain"),
        (
            "SSL",
            {"ssl.keystore.key": "key", "ssl.keystore.certificate.chain": "x"},
            "does not hold what it should",
        ),
    ],
)
def test_incomplete_settings_are_refused_by_name(
    protocol: str, configs: dict[str, str], named: str
) -> None:
    chosen = Settings(
        data=None, http=(), kafka=(KafkaAddress("127.0.0.1", 0, protocol),), set=configs
    )

    with pytest.raises(ConfigError) as raised, BusThread(FakeBus(chosen)):
        pass

    assert named in str(raised.value)


def test_asking_clients_for_certificates_needs_an_authority(certificates: Certificates) -> None:
    chosen = settings(
        "SSL",
        ssl_keystore_type="PEM",
        ssl_keystore_location=str(certificates.broker),
        ssl_client_auth="required",
    )

    with pytest.raises(ConfigError, match=r"ssl\.truststore\.location"), BusThread(FakeBus(chosen)):
        pass
