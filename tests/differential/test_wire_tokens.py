"""Delegation tokens: who gets, sees, renews and ends them, and who logs in with them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Side, Sides, attempts
from tests.unit.kafka.test_sasl import client_final
from tests.wire.client import RawClient
from tools.kafka import free_port, running_kafka

pytestmark = pytest.mark.kafka

MECHANISMS = "PLAIN,SCRAM-SHA-256"
CONFIGS = {
    "delegation.token.secret.key": "a secret",
    "delegation.token.expiry.time.ms": "100000000",
    "sasl.enabled.mechanisms": MECHANISMS,
}
DAY_MS = 86_400_000
PASSWORDS = {"alice": "secret", "bob": "pw", "eve": "pw"}
PLAIN_JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required " + "".join(
    f'user_{user}="{password}" ' for user, password in PASSWORDS.items()
)


class TokenSide(Side):
    """Broker that different users ask."""

    def __init__(self, plain: str, sasl: str) -> None:
        super().__init__(plain)
        self._sasl = sasl
        self.hmac = b""
        self.token_id = ""

    def ask_as(self, user: str, api: ApiKey, version: int, message: Any) -> Any:
        with RawClient(self._sasl) as client:
            client.call(ApiKey.SASL_HANDSHAKE, 1, m.SaslHandshakeRequest(mechanism="PLAIN"))
            token = f"\0{user}\0{PASSWORDS[user]}".encode()
            client.call(ApiKey.SASL_AUTHENTICATE, 2, m.SaslAuthenticateRequest(auth_bytes=token))
            return client.call(api, version, message)

    def log_in(self, client: RawClient, token_id: str, password: str) -> list[Any]:
        """What a client is answered that logs in with a token."""
        mechanism = "SCRAM-SHA-256"
        client.call(ApiKey.SASL_HANDSHAKE, 1, m.SaslHandshakeRequest(mechanism=mechanism))
        first = f"n,,n={token_id},r=nonce,tokenauth=true".encode()
        message = m.SaslAuthenticateRequest(auth_bytes=first)
        answer = client.call(ApiKey.SASL_AUTHENTICATE, 2, message)
        if answer.error_code:
            return [answer.error_code]
        final = client_final(mechanism, password, first, bytes(answer.auth_bytes))
        message = m.SaslAuthenticateRequest(auth_bytes=final)
        return [0, client.call(ApiKey.SASL_AUTHENTICATE, 2, message).error_code]


@pytest.fixture(scope="module")
def both() -> Iterator[Sides]:
    plain, controller, sasl = (f"127.0.0.1:{free_port()}" for _ in range(3))
    listener = "listener.name.sasl_plaintext"
    settings = {
        **CONFIGS,
        "listeners": f"PLAINTEXT://{plain},CONTROLLER://{controller},SASL_PLAINTEXT://{sasl}",
        "advertised.listeners": f"PLAINTEXT://{plain},SASL_PLAINTEXT://{sasl}",
        "controller.quorum.voters": f"1@{controller}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"
        ),
        f"{listener}.plain.sasl.jaas.config": PLAIN_JAAS + ";",
        f"{listener}.scram-sha-256.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }
    users = ",".join(f"{user}:{password}" for user, password in PASSWORDS.items())
    bus = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0), KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT")),
        http=(),
        set={**CONFIGS, "fakebus.sasl.users": users},
    )
    port = int(plain.rpartition(":")[2])
    with running_kafka(settings, port), FakeBus.thread(bus) as running:
        ours = [str(address) for address in running.kafka_addresses]
        yield Sides(TokenSide(plain, sasl), TokenSide(*ours))


def principal(kind: Any, name: str, type_: str = "User") -> Any:
    return kind(principal_type=type_, principal_name=name)


def creation(*renewers: str, lifetime_ms: int = -1, owner: str | None = None) -> Any:
    return m.CreateDelegationTokenRequest(
        owner_principal_type=owner and "User",
        owner_principal_name=owner,
        renewers=[principal(m.CreatableRenewers, name) for name in renewers],
        max_lifetime_ms=lifetime_ms,
    )


def create(side: TokenSide, user: str, version: int, asked: Any) -> Any:
    """Create a token; return the answer without what is different each time."""
    answer = side.ask_as(user, ApiKey.CREATE_DELEGATION_TOKEN, version, asked)
    side.hmac, side.token_id = bytes(answer.hmac), answer.token_id
    if answer.error_code == 0:
        # A new token is known a little later to Kafka's broker.
        for _ in attempts():
            if any(each[0] == answer.token_id for each in tokens_of(side, user)):
                break
    return plain(answer, answer.issue_timestamp_ms)


def plain(answer: Any, now_ms: int) -> dict[str, Any]:
    """A message's fields, with its times from a moment on and its secrets by their lengths."""
    shown: dict[str, Any] = {}
    for name in type(answer).__slots__:
        value = getattr(answer, name)
        if "timestamp" in name and value != -1:
            value -= now_ms
        elif name in ("hmac", "token_id"):
            value = len(value)
        elif isinstance(value, list):
            value = [plain(each, now_ms) for each in value]
        shown[name] = value
    return shown


def tokens_of(side: TokenSide, user: str, owners: list[str] | None = None, version: int = 3) -> Any:
    asked = m.DescribeDelegationTokenRequest(
        owners=owners and [principal(m.DescribeDelegationTokenOwner, name) for name in owners]
    )
    if owners is not None and not owners:
        asked.owners = []
    answer = side.ask_as(user, ApiKey.DESCRIBE_DELEGATION_TOKEN, version, asked)
    assert answer.error_code == 0
    return [(each.token_id, plain(each, each.issue_timestamp)) for each in answer.tokens]


def expired(side: TokenSide, user: str, period_ms: int, version: int = 2) -> Any:
    asked = m.ExpireDelegationTokenRequest(hmac=side.hmac, expiry_time_period_ms=period_ms)
    return told(side.ask_as(user, ApiKey.EXPIRE_DELEGATION_TOKEN, version, asked))


def renewed(side: TokenSide, user: str, period_ms: int, version: int = 2) -> Any:
    asked = m.RenewDelegationTokenRequest(hmac=side.hmac, renew_period_ms=period_ms)
    return told(side.ask_as(user, ApiKey.RENEW_DELEGATION_TOKEN, version, asked))


def told(answer: Any) -> tuple[int, int | str]:
    """The error, and when the token expires if it does, which is another time on each side."""
    expires_ms = answer.expiry_timestamp_ms
    return answer.error_code, "a time" if expires_ms > 0 else expires_ms


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_token_is_made_seen_renewed_and_ended(both: Sides, version: int) -> None:
    def scenario(side: Any) -> Any:
        heard = [create(side, "alice", version, creation("bob", lifetime_ms=2 * DAY_MS))]
        for user, owners in (
            ("alice", None),
            ("alice", []),
            ("alice", ["alice"]),
            ("alice", ["eve"]),
            ("bob", ["bob"]),
            ("eve", ["alice"]),
            ("eve", ["eve"]),
        ):
            found = dict(tokens_of(side, user, owners, version))
            heard.append((user, owners, found.get(side.token_id)))
        older = min(version, 2)
        heard.append(renewed(side, "eve", -1, older))
        heard.append(renewed(side, "bob", DAY_MS, older))
        heard.append(renewed(side, "alice", 9 * DAY_MS, older))
        heard.append(expired(side, "eve", 1000, older))
        heard.append(expired(side, "bob", DAY_MS, older))
        heard.append(expired(side, "alice", -1, older))
        heard.append(gone(side))
        heard.append(renewed(side, "alice", -1, older))
        return heard

    both.compare(scenario)


def gone(side: TokenSide) -> int:
    """What is told of a token that has been ended: Kafka's broker knows a little later."""
    for _ in attempts():
        if (code := expired(side, "alice", -1)[0]) != 0:
            return int(code)
    raise AssertionError("the token is still there")


@pytest.mark.parametrize("lifetime_ms", [-1, 0, 1000, DAY_MS, 99 * DAY_MS])
def test_a_token_lives_no_longer_than_allowed(both: Sides, lifetime_ms: int) -> None:
    both.compare(lambda side: create(side, "alice", 3, creation(lifetime_ms=lifetime_ms)))


def test_a_token_for_another_user_and_a_renewer_of_another_type(both: Sides) -> None:
    def scenario(side: Any) -> Any:
        odd = creation()
        odd.renewers = [principal(m.CreatableRenewers, "workers", "Group")]
        return [
            create(side, "alice", 3, creation(owner="eve")),
            create(side, "alice", 3, odd),
        ]

    both.compare(scenario)


def test_nobody_gets_a_token_who_has_not_logged_in(both: Sides) -> None:
    def scenario(side: Any) -> Any:
        return [
            plain(side.call(api, 2, asked), 0)
            for api, asked in (
                (ApiKey.CREATE_DELEGATION_TOKEN, creation()),
                (ApiKey.RENEW_DELEGATION_TOKEN, m.RenewDelegationTokenRequest(hmac=b"x")),
                (ApiKey.EXPIRE_DELEGATION_TOKEN, m.ExpireDelegationTokenRequest(hmac=b"x")),
                (ApiKey.DESCRIBE_DELEGATION_TOKEN, m.DescribeDelegationTokenRequest(owners=None)),
            )
        ]

    both.compare(scenario)


def test_a_client_logs_in_with_a_token_and_gets_no_other_one(both: Sides) -> None:
    def scenario(side: Any) -> Any:
        create(side, "alice", 3, creation())
        password = base64.b64encode(side.hmac).decode()
        with RawClient(side._sasl) as client:
            heard: list[Any] = side.log_in(client, side.token_id, password)
            answer = client.call(ApiKey.CREATE_DELEGATION_TOKEN, 3, creation())
            heard.append(plain(answer, 0))
        for token_id, word in ((side.token_id, "another"), ("no token", password)):
            with RawClient(side._sasl) as client:
                heard.append(side.log_in(client, token_id, word))
        return heard

    both.compare(scenario)
