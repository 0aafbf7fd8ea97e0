"""Snapshots: after a test, the registry is what it was, and no id means two things."""

from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.snapshots import Snapshots
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from tests.unit.registry.test_registering import request


@pytest.fixture
def snapshots(broker: Broker, registry: Registry) -> Snapshots:
    broker.participants.append(registry)
    return broker.snapshots


async def test_everything_is_as_before(snapshots: Snapshots, registry: Registry) -> None:
    first = await registry.register("s", request("{}"))
    await registry.set_config("s", {"compatibility": "FULL"})
    snapshot = await snapshots.take()
    for _ in range(2):
        await registry.register("s", request('{"a":1}'))
        await registry.register(":.c:t", request("{}"))
        await registry.set_config("s", {"compatibility": "NONE"})
        await registry.set_mode(None, "READONLY")
        await snapshots.roll_back(snapshot)
        assert registry.schemas(deleted=True) == [first]
        assert registry.config("s") == {"compatibilityLevel": "FULL"}
        assert registry.mode(None) == "READWRITE"
        assert registry.contexts() == ["."]


async def test_what_was_deleted_is_back(snapshots: Snapshots, registry: Registry) -> None:
    first = await registry.register("s", request("{}"))
    snapshot = await snapshots.take()
    await registry.delete_subject("s")
    await registry.delete_subject("s", permanent=True)
    await snapshots.roll_back(snapshot)
    assert registry.schemas() == [first]
    assert await registry.register("s", request("{}")) == first


async def test_an_id_keeps_its_meaning(snapshots: Snapshots, registry: Registry) -> None:
    snapshot = await snapshots.take()
    mine = await registry.register("s", request('{"mine":1}'))
    await snapshots.roll_back(snapshot)
    assert registry.subjects(deleted=True) == []
    # A client that has the id in its cache still finds the schema.
    assert registry.schema_by_id(mine.schema_id).schema == mine.schema
    assert registry.subjects_of_id(mine.schema_id) == []
    other = await registry.register("s", request('{"other":1}'))
    assert (other.schema_id, other.version) == (2, 1)
    await snapshots.roll_back(snapshot)
    again = await registry.register("t", request('{"mine":1}'))
    assert (again.schema_id, again.subject, again.version) == (mine.schema_id, "t", 1)
    assert registry.schema_by_id(mine.schema_id).subject == "t"


async def test_ids_go_on_after_a_roll_back_and_a_restart(
    snapshots: Snapshots, registry: Registry, broker: Broker
) -> None:
    snapshot = await snapshots.take()
    await registry.register("s", request('{"mine":1}'))
    await snapshots.roll_back(snapshot)
    assert broker.topics.get("_schemas") is None
    other = Registry(broker)
    await other.start()
    assert (await other.register("s", request('{"other":1}'))).schema_id == 2
    await other.close()


async def test_the_log_and_the_registry_agree_after_a_roll_back(
    snapshots: Snapshots, registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request("{}"))
    snapshot = await snapshots.take()
    await registry.register("t", request('{"a":1}'))
    await snapshots.roll_back(snapshot)
    await registry.register("u", request('{"b":1}'))
    other = Registry(broker)
    await other.start()
    assert other.schemas() == registry.schemas()
    await other.close()
    with pytest.raises(RegistryError):
        registry.version("t", 1)


async def test_marks_of_an_unchanged_registry_cost_nothing(registry: Registry) -> None:
    await registry.register("s", request("{}"))
    assert registry.mark() is registry.mark()
