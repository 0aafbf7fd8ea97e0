"""Delegation tokens as time goes on."""

from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.security import delegation_tokens
from fakebus.broker.security.delegation_tokens import DelegationTokens
from fakebus.broker.values import Values
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.storage.sqlite import SqliteStorage
from tests.manual_clock import ManualClock
from tests.unit.broker.security.test_authorizer import FailingStore

ALICE = "User:alice"
CONFIGS = {
    "delegation.token.secret.key": "s",
    "delegation.token.expiry.time.ms": "1000",
    "delegation.token.max.lifetime.ms": "5000",
    "delegation.token.expiry.check.interval.ms": "10000",
}


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def opened(store: FailingStore, clock: ManualClock) -> DelegationTokens:
    return DelegationTokens(Values(store, "token "), BrokerConfig(CONFIGS), clock)


async def code(awaitable: object) -> ErrorCode:
    with pytest.raises(BrokerError) as refused:
        await awaitable  # type: ignore[misc]
    return refused.value.error_code


async def test_an_expired_token_lets_nobody_in_and_is_gone_after_a_while(
    store: FailingStore, clock: ManualClock
) -> None:
    tokens = opened(store, clock)
    token = await tokens.create(ALICE, ALICE, [], -1)
    key = tokens.hmac_of(token.token_id)
    clock.advance(1.0)
    assert tokens.login("sha256", token.token_id) is not None
    clock.advance(0.001)
    assert tokens.login("sha256", token.token_id) is None
    assert await code(tokens.renew(key, ALICE, -1)) is ErrorCode.DELEGATION_TOKEN_EXPIRED
    assert await code(tokens.expire(key, ALICE, 1000)) is ErrorCode.DELEGATION_TOKEN_EXPIRED
    assert tokens.all() == [token]
    clock.advance(9.999)
    assert tokens.all() == [token]
    clock.advance(0.001)
    assert tokens.all() == []
    assert await code(tokens.expire(key, ALICE, -1)) is ErrorCode.DELEGATION_TOKEN_NOT_FOUND
    await tokens.create(ALICE, ALICE, [], -1)
    assert len(opened(store, clock)._tokens) == 1


async def test_renewals_end_with_the_life_of_a_token(
    store: FailingStore, clock: ManualClock
) -> None:
    tokens = opened(store, clock)
    token = await tokens.create(ALICE, ALICE, [], 1500)
    key = tokens.hmac_of(token.token_id)
    assert token.expires_ms == token.issued_ms + 1000
    clock.advance(0.9)
    assert await tokens.renew(key, ALICE, 200) == token.issued_ms + 1100
    assert await tokens.renew(key, ALICE, -1) == token.ends_ms == token.issued_ms + 1500
    assert await tokens.expire(key, ALICE, 100) == token.issued_ms + 1000


async def test_what_cannot_be_stored_is_not_done(store: FailingStore, clock: ManualClock) -> None:
    tokens = opened(store, clock)
    token = await tokens.create(ALICE, ALICE, [], -1)
    store.failing = True
    with pytest.raises(StorageError):
        await tokens.create(ALICE, ALICE, [], -1)
    with pytest.raises(StorageError):
        await tokens.expire(tokens.hmac_of(token.token_id), ALICE, -1)
    assert tokens.all() == [token]


async def test_a_bus_keeps_so_many_tokens(
    store: FailingStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegation_tokens, "MOST_TOKENS", 1)
    tokens = opened(store, clock)
    await tokens.create(ALICE, ALICE, [], -1)
    assert await code(tokens.create(ALICE, ALICE, [], -1)) is ErrorCode.INVALID_REQUEST


async def test_without_a_secret_there_are_no_tokens(
    store: FailingStore, clock: ManualClock
) -> None:
    token = await opened(store, clock).create(ALICE, ALICE, [], -1)
    tokens = DelegationTokens(Values(store, "token "), BrokerConfig(), clock)
    assert tokens.login("sha256", token.token_id) is None
    disabled = ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED
    assert await code(tokens.create(ALICE, ALICE, [], -1)) is disabled
    assert await code(tokens.renew(b"", ALICE, -1)) is disabled
    with pytest.raises(BrokerError):
        tokens.all()


async def test_tokens_outlast_a_restart_and_go_back_to_a_snapshot() -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, config=BrokerConfig(CONFIGS), clock=ManualClock())
    await broker.start()
    token = await broker.security.tokens.create(ALICE, "User:bob", ["User:eve"], -1)
    snapshot = await broker.snapshots.take()
    await broker.security.tokens.create(ALICE, ALICE, [], -1)
    await broker.snapshots.roll_back(snapshot)
    assert broker.security.tokens.all() == [token]
    await broker.close()
    again = Broker(storage, config=BrokerConfig(CONFIGS), clock=ManualClock())
    await again.start()
    assert again.security.tokens.all() == [token]
    await again.close()
    await storage.close()
