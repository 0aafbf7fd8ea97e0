from __future__ import annotations

from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.list_transactions import handle_list_transactions
from fakebus.protocol.messages import ListTransactionsRequest
from tests.manual_clock import ManualClock
from tests.unit.broker.transactions.producer import TransactionalProducer
from tests.unit.kafka.handlers.calling import call


@pytest.fixture(autouse=True)
async def producers(broker: Broker, clock: ManualClock) -> dict[str, int]:
    """Two open transactions, begun five seconds and one second ago, and an id without one."""
    await broker.topics.create("t", 1, {})
    made = {}
    for name, seconds in (("old", 4), ("new", 1)):
        producer = await TransactionalProducer(broker, name).init()
        await producer.write(b"x")
        made[name] = producer.identity.producer_id
        clock.advance(seconds)
    made["idle"] = (await TransactionalProducer(broker, "idle").init()).identity.producer_id
    return made


async def listed(broker: Broker, **filters: Any) -> list[str]:
    request = ListTransactionsRequest(**{"state_filters": [], "producer_id_filters": [], **filters})
    answer = await call(handle_list_transactions, request, broker)
    assert answer.error_code == 0
    return sorted(state.transactional_id for state in answer.transaction_states)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["idle", "new", "old"]),
        ({"state_filters": ["Ongoing"]}, ["new", "old"]),
        ({"state_filters": ["Empty", "Dead"]}, ["idle"]),
        ({"state_filters": ["nonsense"]}, []),
        ({"duration_filter": 4999, "state_filters": ["Ongoing"]}, ["old"]),
        ({"duration_filter": 5000, "state_filters": ["Ongoing"]}, []),
        ({"duration_filter": 0, "state_filters": ["Ongoing"]}, ["new", "old"]),
        ({"transactional_id_pattern": "n.w|i.*"}, ["idle", "new"]),
        ({"transactional_id_pattern": "l"}, []),
        ({"transactional_id_pattern": ""}, ["idle", "new", "old"]),
    ],
)
async def test_all_filters_have_to_let_an_id_through(
    broker: Broker, filters: dict[str, Any], found: list[str]
) -> None:
    assert await listed(broker, **filters) == found


async def test_ids_are_found_by_their_producer_ids(
    broker: Broker, producers: dict[str, int]
) -> None:
    unknown = max(producers.values()) + 1
    assert await listed(broker, producer_id_filters=[producers["new"], unknown]) == ["new"]
    assert await listed(broker, producer_id_filters=[unknown]) == []
    wanted = {"producer_id_filters": [producers["idle"]], "state_filters": ["Ongoing"]}
    assert await listed(broker, **wanted) == []


async def test_states_that_there_are_none_of_are_named(broker: Broker) -> None:
    request = ListTransactionsRequest(
        state_filters=["Ongoing", "ongoing", ""], producer_id_filters=[]
    )
    answer = await call(handle_list_transactions, request, broker)
    assert answer.unknown_state_filters == ["ongoing", ""]
