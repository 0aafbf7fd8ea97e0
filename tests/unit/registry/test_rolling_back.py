"""Marks: after a test, the registry is what it was, and no id means two things."""

from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.testing.marks import Marks
from tests.unit.registry.test_registering import request


@pytest.fixture
def marks(broker: Broker, registry: Registry) -> Marks:
    return Marks(broker, registry)


async def test_everything_is_as_before(marks: Marks, registry: Registry) -> None:
    first = await registry.register("s", request("{}"))
    await registry.set_config("s", {"compatibility": "FULL"})
    mark = await marks.take()
    for _ in range(2):
        await registry.register("s", request('{"a":1}'))
        await registry.register(":.c:t", request("{}"))
        await registry.set_config("s", {"compatibility": "NONE"})
        await registry.set_mode(None, "READONLY")
        await marks.roll_back(mark)
        assert registry.schemas(deleted=True) == [first]
        assert registry.config("s") == {"compatibilityLevel": "FULL"}
        assert registry.mode(None) == "READWRITE"
        assert registry.contexts() == ["."]


async def test_what_was_deleted_is_back(marks: Marks, registry: Registry) -> None:
    first = await registry.register("s", request("{}"))
    mark = await marks.take()
    await registry.delete_subject("s")
    await registry.delete_subject("s", permanent=True)
    await marks.roll_back(mark)
    assert registry.schemas() == [first]
    assert await registry.register("s", request("{}")) == first


async def test_an_id_keeps_its_meaning(marks: Marks, registry: Registry) -> None:
    mark = await marks.take()
    mine = await registry.register("s", request('{"mine":1}'))
    await marks.roll_back(mark)
    assert registry.subjects(deleted=True) == []
    # A client that has the id in its cache still finds the schema.
    assert registry.schema_by_id(mine.schema_id).schema == mine.schema
    assert registry.subjects_of_id(mine.schema_id) == []
    other = await registry.register("s", request('{"other":1}'))
    assert (other.schema_id, other.version) == (2, 1)
    await marks.roll_back(mark)
    again = await registry.register("t", request('{"mine":1}'))
    assert (again.schema_id, again.subject, again.version) == (mine.schema_id, "t", 1)
    assert registry.schema_by_id(mine.schema_id).subject == "t"


async def test_ids_go_on_after_a_roll_back_and_a_restart(
    marks: Marks, registry: Registry, broker: Broker
) -> None:
    mark = await marks.take()
    await registry.register("s", request('{"mine":1}'))
    await marks.roll_back(mark)
    assert broker.topics.get("_schemas") is None
    other = Registry(broker)
    await other.start()
    assert (await other.register("s", request('{"other":1}'))).schema_id == 2
    await other.close()


async def test_the_log_and_the_registry_agree_after_a_roll_back(
    marks: Marks, registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request("{}"))
    mark = await marks.take()
    await registry.register("t", request('{"a":1}'))
    await marks.roll_back(mark)
    await registry.register("u", request('{"b":1}'))
    other = Registry(broker)
    await other.start()
    assert other.schemas() == registry.schemas()
    await other.close()
    with pytest.raises(RegistryError):
        registry.version("t", 1)


async def test_marks_of_an_unchanged_registry_cost_nothing(registry: Registry) -> None:
    await registry.register("s", request("{}"))
    first, second = registry.mark(), registry.mark()
    assert first == second
    assert first.state is second.state
