"""Soft and permanent deletion, and what becomes of ids."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from fakebus.broker.broker import Broker
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import Reference
from fakebus.registry.registry import Registry
from tests.unit.registry.test_registering import request


async def code_of(awaitable: Awaitable[object]) -> int:
    with pytest.raises(RegistryError) as error:
        await awaitable
    return error.value.error_code


async def test_a_soft_deleted_subject_is_hidden_and_its_ids_stay(registry: Registry) -> None:
    await registry.register("s", request("{}"))
    await registry.register("s", request('{"a":1}'))
    assert await registry.delete_subject("s") == [1, 2]
    assert registry.subjects() == []
    assert registry.subjects(deleted=True) == registry.subjects(deleted_only=True) == ["s"]
    assert registry.versions("s", deleted=True) == [1, 2]
    assert registry.versions("s", deleted=True, negative=True) == [-1, -2]
    with pytest.raises(RegistryError) as missing:
        registry.versions("s")
    assert missing.value.error_code == 40401
    assert registry.schema_by_id(1).deleted
    assert registry.subjects_of_id(1) == []
    assert registry.subjects_of_id(1, deleted=True) == ["s"]
    assert registry.version("s", 1, deleted=True).version == 1


async def test_deletions_in_the_wrong_order(registry: Registry) -> None:
    assert await code_of(registry.delete_subject("s")) == 40401
    assert await code_of(registry.delete_version("s", 1)) == 40401
    await registry.register("s", request("{}"))
    await registry.register("s", request('{"a":1}'))
    assert await code_of(registry.delete_version("s", 3)) == 40402
    assert await code_of(registry.delete_version("s", "first")) == 42202
    assert await code_of(registry.delete_version("s", 0)) == 42202
    assert await code_of(registry.delete_version("s", 1, permanent=True)) == 40407
    assert await code_of(registry.delete_subject("s", permanent=True)) == 40405
    assert await registry.delete_version("s", 1) == 1
    assert await code_of(registry.delete_version("s", 1)) == 40406
    assert await registry.delete_subject("s") == [2]
    assert await code_of(registry.delete_subject("s")) == 40404
    assert await registry.delete_subject("s", permanent=True) == [1, 2]
    assert await code_of(registry.delete_subject("s", permanent=True)) == 40401


async def test_the_latest_version_is_the_latest_that_is_left(registry: Registry) -> None:
    await registry.register("s", request("{}"))
    await registry.register("s", request('{"a":1}'))
    assert await registry.delete_version("s", "latest") == 2
    assert registry.version("s", -1).version == 1
    assert registry.versions("s") == [1]
    assert registry.versions("s", deleted_only=True) == [2]


async def test_a_soft_deleted_schema_comes_back_with_its_id_under_a_new_version(
    registry: Registry,
) -> None:
    await registry.register("s", request("{}"))
    await registry.register("s", request('{"a":1}'))
    await registry.delete_version("s", 1)
    again = await registry.register("s", request("{}"))
    assert (again.schema_id, again.version) == (1, 3)
    assert registry.versions("s", deleted=True) == [2, 3], "the old copy is gone for ever"


async def test_an_id_is_gone_with_its_last_version_and_never_comes_back(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request("{}"))
    await registry.register("s", request('{"a":1}'))
    await registry.register("t", request("{}"))
    await registry.delete_subject("s")
    await registry.delete_subject("s", permanent=True)
    assert registry.schema_by_id(1).subject == "t"
    with pytest.raises(RegistryError) as missing:
        registry.schema_by_id(2)
    assert missing.value.error_code == 40403
    assert (await registry.register("s", request('{"a":1}'))).schema_id == 3
    # Not even when nothing in the log knows of it any more.
    topic = broker.topics.get("_schemas")
    assert topic is not None
    await broker.topics.delete(topic)
    assert registry.subjects() == []
    await registry.close()
    successor = Registry(broker)
    await successor.start()
    assert (await successor.register("s", request('{"b":1}'))).schema_id == 4
    await successor.close()


async def test_settings_go_with_the_last_version(registry: Registry) -> None:
    await registry.register("s", request("{}"))
    await registry.set_config("s", {"compatibility": "FULL"})
    await registry.set_mode("s", "READWRITE")
    await registry.delete_version("s", 1)
    assert registry.config("s") == {"compatibilityLevel": "FULL"}
    await registry.delete_version("s", 1, permanent=True)
    for read in (registry.config, registry.mode):
        with pytest.raises(RegistryError):
            read("s")


async def test_what_others_refer_to_stays(registry: Registry) -> None:
    await registry.register("base", request("{}"))
    uses = request('{"a":1}', references=(Reference("Base", "base", 1),))
    await registry.register("user", uses)
    assert registry.referenced_by("base", 1) == [2]
    assert await code_of(registry.delete_version("base", 1)) == 42206
    with pytest.raises(RegistryError) as refused:
        await registry.delete_subject("base")
    assert refused.value.message == (
        "One or more references exist to the schema "
        "{magic=1,keytype=SCHEMA,subject=base,version=1}."
    )
    await registry.delete_subject("user")
    assert registry.referenced_by("base", 1) == []
    assert await registry.delete_subject("base") == [1]
    # For ever it can go only when the other one is gone for ever.
    assert await code_of(registry.delete_subject("base", permanent=True)) == 42206
    await registry.delete_subject("user", permanent=True)
    assert await registry.delete_subject("base", permanent=True) == [1]
