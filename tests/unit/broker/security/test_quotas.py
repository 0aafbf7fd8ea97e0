"""What a client has used, what its quota allows, and how long it has to wait."""

from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.security import quotas as module
from fakebus.broker.security.quota_rates import Rate, TokenBucket
from fakebus.broker.security.quotas import ClientQuotaAlteration, ClientQuotas, Entity
from fakebus.broker.values import Values
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.storage.sqlite import SqliteStorage
from tests.manual_clock import ManualClock
from tests.unit.broker.security.test_authorizer import FailingStore

ALICE: Entity = (("user", "alice"),)
PRODUCE, MUTATION = "producer_byte_rate", "controller_mutation_rate"


def test_a_rate_that_has_just_begun_is_taken_over_ten_whole_seconds() -> None:
    rate = Rate(11, 1000)
    rate.record(1000, 0)
    assert rate.excess_ms(100, 0) == 0
    rate.record(1, 0)
    # 1,001 bytes in ten seconds are 100.1 a second, so a hundredth of a second is too early.
    assert rate.excess_ms(100, 0) == 10
    assert rate.excess_ms(100, 5) == 5
    assert rate.excess_ms(100, 10) == 0


def test_what_was_counted_eleven_seconds_ago_is_forgotten() -> None:
    rate = Rate(11, 1000)
    rate.record(5000, 0)
    rate.record(100, 5000)
    assert rate.excess_ms(100, 10_999) == 40_001
    assert rate.excess_ms(100, 11_000) == 0
    assert not rate.is_idle(15_999)
    assert rate.is_idle(16_000)


def test_what_is_taken_back_was_never_counted() -> None:
    rate = Rate(11, 1000)
    rate.record(5000, 0)
    rate.record(-5000, 0)
    assert rate.excess_ms(100, 0) == 0


def test_a_bucket_may_be_overdrawn_once() -> None:
    bucket = TokenBucket(10, 2, 0)
    assert bucket.excess_ms(2, 0) == 0
    bucket.record(50, 0)
    assert bucket.excess_ms(2, 0) == 15_000
    assert not bucket.is_idle(14_999)
    assert bucket.excess_ms(2, 15_000) == 0


class Time:
    """Time of a machine that stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now_s)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def quotas(time: Time, store: FailingStore) -> ClientQuotas:
    return ClientQuotas(Values(store, "quota "), BrokerConfig(), lambda _: None)


async def put(quotas: ClientQuotas, entity: Entity, **values: float | None) -> BrokerError | None:
    results = await quotas.alter(
        [ClientQuotaAlteration(entity, list(values.items()))], validate_only=False
    )
    return results[entity]


async def test_clients_of_a_user_share_its_quota_and_others_do_not(quotas: ClientQuotas) -> None:
    await put(quotas, ALICE, producer_byte_rate=100)
    assert quotas.record(PRODUCE, "alice", "a", 1000) == 0
    assert quotas.record(PRODUCE, "alice", "b", 500) == 5000
    assert quotas.record(PRODUCE, "bob", "a", 5000) == 0


async def test_a_default_is_a_quota_for_each(quotas: ClientQuotas) -> None:
    await put(quotas, (("client-id", None), ("user", None)), producer_byte_rate=100)
    assert quotas.record(PRODUCE, "alice", "a", 1500) == 5000
    assert quotas.record(PRODUCE, "alice", "b", 500) == 0
    assert quotas.record(PRODUCE, "bob", "a", 500) == 0


async def test_too_many_partitions_are_refused_to_clients_that_know_of_it(
    quotas: ClientQuotas, time: Time
) -> None:
    await put(quotas, ALICE, controller_mutation_rate=1)
    assert quotas.mutate("alice", "a", 31, strict=True) == 0
    with pytest.raises(BrokerError) as refused:
        quotas.mutate("alice", "a", 1, strict=True)
    assert refused.value.error_code is ErrorCode.THROTTLING_QUOTA_EXCEEDED
    assert quotas.mutate("alice", "a", 1, strict=False) == 21_000
    time.now_s = 21.0
    assert quotas.mutate("alice", "a", 1, strict=True) == 0


async def test_an_address_may_connect_so_often(quotas: ClientQuotas) -> None:
    assert quotas.connect("::1") == 0
    await put(quotas, (("ip", "0::1"),), connection_creation_rate=1)
    await put(quotas, (("ip", None),), connection_creation_rate=2)
    assert [quotas.connect("::1") for _ in range(11)] == [0] * 10 + [1000]
    assert [quotas.connect("10.0.0.1") for _ in range(21)] == [0] * 20 + [500]
    # One that is refused is not counted.
    assert quotas.connect("10.0.0.1") == 500


async def test_idle_meters_make_room_for_those_of_other_clients(
    quotas: ClientQuotas, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_METERS", 10)
    await put(quotas, (("client-id", None),), producer_byte_rate=100)
    for n in range(10):
        quotas.record(PRODUCE, "", f"c{n}", 1500)
    time.now_s = 11.0
    assert quotas.record(PRODUCE, "", "another", 1) == 0
    assert len(quotas._meters) == 1


async def test_meters_are_bounded_also_while_all_of_them_are_busy(
    quotas: ClientQuotas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_METERS", 10)
    await put(quotas, (("client-id", None),), producer_byte_rate=100)
    for n in range(50):
        quotas.record(PRODUCE, "", f"c{n}", 1500)
        assert len(quotas._meters) <= 10
    # Those that came last are still held to what they have used.
    assert quotas.record(PRODUCE, "", "c49", 0) > 0


async def test_what_cannot_be_stored_limits_nobody(
    quotas: ClientQuotas, store: FailingStore
) -> None:
    store.failing = True
    with pytest.raises(StorageError):
        await put(quotas, ALICE, producer_byte_rate=100)
    assert quotas.by_entity == {}


async def test_a_quota_that_is_no_number_is_refused(quotas: ClientQuotas) -> None:
    refused = await put(quotas, ALICE, request_percentage=float("nan"))
    assert refused is not None
    assert refused.error_code is ErrorCode.INVALID_REQUEST


async def test_a_bus_keeps_so_many_quotas(
    quotas: ClientQuotas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ENTITIES", 1)
    assert await put(quotas, ALICE, producer_byte_rate=100) is None
    refused = await put(quotas, (("user", "bob"),), producer_byte_rate=100)
    assert refused is not None
    assert await put(quotas, ALICE, producer_byte_rate=200) is None
    assert quotas.by_entity == {ALICE: {PRODUCE: 200}}


async def test_quotas_outlast_a_restart_and_go_back_to_a_snapshot() -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=ManualClock())
    await broker.start()
    await put(broker.security.quotas, ALICE, producer_byte_rate=100)
    snapshot = await broker.snapshots.take()
    await put(broker.security.quotas, ALICE, producer_byte_rate=None, request_percentage=5)
    assert broker.security.quotas.by_entity == {ALICE: {"request_percentage": 5}}
    await broker.snapshots.roll_back(snapshot)
    assert broker.security.quotas.by_entity == {ALICE: {PRODUCE: 100}}
    await broker.close()
    again = Broker(storage, clock=ManualClock())
    await again.start()
    assert again.security.limiting is again.security.quotas
    assert again.security.quotas.by_entity == {ALICE: {PRODUCE: 100}}
    await put(again.security.quotas, ALICE, producer_byte_rate=None)
    assert again.security.limiting is None
    await again.close()
    await storage.close()
