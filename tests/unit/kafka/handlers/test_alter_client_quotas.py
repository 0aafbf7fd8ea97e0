"""Quotas: set, taken away, and found again by DescribeClientQuotas."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.alter_client_quotas import handle_alter_client_quotas
from fakebus.kafka.handlers.describe_client_quotas import handle_describe_client_quotas
from fakebus.protocol.messages import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    ComponentData,
    DescribeClientQuotasRequest,
    EntityData,
    OpData,
)
from tests.unit.kafka.handlers.calling import call

Entity = Mapping[str, str | None]
EXACT, DEFAULT, ANY = range(3)
A = {"user": "a"}


async def alter(
    broker: Broker, entity: Entity, quotas: Mapping[str, float | None], *, only_try: bool = False
) -> int:
    entry = AlterClientQuotasRequestEntryData(
        entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity.items()],
        ops=[
            OpData(key=key, value=value or 0.0, remove=value is None)
            for key, value in quotas.items()
        ],
    )
    request = AlterClientQuotasRequest(entries=[entry], validate_only=only_try)
    [told] = (await call(handle_alter_client_quotas, request, broker)).entries
    assert {each.entity_type: each.entity_name for each in told.entity} == entity
    return int(told.error_code)


async def found(
    broker: Broker, *components: tuple[str, int, str | None], strict: bool = False
) -> list[tuple[Entity, dict[str, float]]]:
    asked = [ComponentData(entity_type=t, match_type=m, match=n) for t, m, n in components]
    request = DescribeClientQuotasRequest(components=asked, strict=strict)
    answer = await call(handle_describe_client_quotas, request, broker)
    return [
        (
            {each.entity_type: each.entity_name for each in entry.entity},
            {each.key: each.value for each in entry.values},
        )
        for entry in answer.entries
    ]


async def test_quotas_are_set_one_by_one_and_taken_away(broker: Broker) -> None:
    assert await alter(broker, A, {"producer_byte_rate": 1000.0, "request_percentage": 50.0}) == 0
    assert await alter(broker, A, {"producer_byte_rate": 2000.0}) == 0
    told = {"producer_byte_rate": 2000.0, "request_percentage": 50.0}
    assert await found(broker) == [(A, told)]
    assert await alter(broker, A, {"producer_byte_rate": None}, only_try=True) == 0
    assert await found(broker) == [(A, told)]
    assert await alter(broker, A, {"producer_byte_rate": None}) == 0
    assert await found(broker) == [(A, {"request_percentage": 50.0})]
    assert await alter(broker, A, {"request_percentage": None}) == 0
    assert await found(broker) == []


@pytest.mark.parametrize(
    "entity",
    [{}, {"topic": "a"}, {"user": ""}, {"user": "a", "ip": "10.0.0.1"}, {"ip": "no address!"}],
)
async def test_what_has_no_quotas_is_refused(broker: Broker, entity: Entity) -> None:
    assert await alter(broker, entity, {"producer_byte_rate": 1.0}) == 42
    assert await found(broker) == []


@pytest.mark.parametrize(
    ("components", "strict", "names"),
    [
        ((), False, ["a", "a+app", "default", "app"]),
        ((), True, []),
        ((("user", EXACT, "a"),), False, ["a", "a+app"]),
        ((("user", EXACT, "a"),), True, ["a"]),
        ((("user", DEFAULT, None),), False, ["default"]),
        ((("user", ANY, None),), False, ["a", "a+app", "default"]),
        ((("user", ANY, None),), True, ["a", "default"]),
        ((("user", ANY, None), ("client-id", EXACT, "app")), True, ["a+app"]),
        ((("client-id", ANY, None),), True, ["app"]),
        ((("client-id", EXACT, "other"),), False, []),
    ],
)
async def test_entities_are_found_by_what_they_are_of(
    broker: Broker,
    components: tuple[tuple[str, int, str | None], ...],
    strict: bool,
    names: list[str],
) -> None:
    entities: dict[str, Entity] = {
        "a": A,
        "a+app": {"client-id": "app", "user": "a"},
        "default": {"user": None},
        "app": {"client-id": "app"},
    }
    for entity in entities.values():
        assert await alter(broker, entity, {"consumer_byte_rate": 1.0}) == 0
    told = [entity for entity, _ in await found(broker, *components, strict=strict)]
    assert [name for name, entity in entities.items() if entity in told] == names
    assert len(told) == len(names)
