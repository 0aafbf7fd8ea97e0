"""Contexts: separate ids and subjects in one registry."""

from __future__ import annotations

import pytest

from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from tests.unit.registry.test_deleting import code_of
from tests.unit.registry.test_registering import request


async def test_every_context_counts_its_own_ids(registry: Registry) -> None:
    await registry.register("a", request("{}"))
    await registry.register("a", request('{"x":1}'))
    other = await registry.register(":.c:a", request('{"x":1}'))
    assert (other.schema_id, other.version, other.subject) == (1, 1, ":.c:a")
    assert (await registry.register(":.:b", request("{}"))).subject == "b"
    assert registry.contexts() == [".", ".c"]
    assert registry.max_id() == 2
    assert registry.max_id(subject=":.c:") == 1
    assert registry.ids_of_guid(other.guid) == [(".", 2), (".c", 1)]
    assert registry.schema_by_guid(other.guid).subject == "a"


async def test_prefixes(registry: Registry) -> None:
    for subject in ("abc", "b", ":.c:abd"):
        await registry.register(subject, request())
    assert registry.subjects() == [":.c:abd", "abc", "b"]
    assert registry.subjects(prefix="") == ["abc", "b"]
    assert registry.subjects(prefix="a") == ["abc"]
    assert registry.subjects(prefix=":.c:") == [":.c:abd"]
    assert registry.subjects(prefix=":*:ab") == [":.c:abd", "abc"]
    assert [one.subject for one in registry.schemas(prefix="b")] == ["b"]


async def test_an_unqualified_subject_is_looked_for_in_all_contexts(registry: Registry) -> None:
    await registry.register("other", request("{}"))
    mine = await registry.register(":.c:s", request('{"x":1}'))
    assert registry.version("s", "latest") == mine
    assert await registry.look_up("s", request('{"x":1}')) == mine
    assert registry.schema_by_id(1, subject="s") == mine, "the subject has that id only there"
    assert registry.schema_by_id(1, subject="t").subject == "other"
    assert registry.schema_by_id(1, subject=":.c:").subject == ":.c:s"
    with pytest.raises(RegistryError):
        registry.schema_by_id(1, subject=":.d:")


async def test_an_empty_context_can_be_deleted(registry: Registry) -> None:
    await registry.register(":.c:s", request())
    assert await code_of(registry.delete_context("c")) == 42211
    assert await code_of(registry.delete_context("none")) == 40401
    assert await code_of(registry.delete_context(".")) == 40401
    await registry.delete_subject(":.c:s")
    await registry.delete_subject(":.c:s", permanent=True)
    assert registry.contexts() == [".", ".c"]
    await registry.delete_context(":.c:")
    assert registry.contexts() == ["."]


async def test_the_latest_of_every_subject(registry: Registry) -> None:
    await registry.register("s", request("{}"))
    await registry.register("s", request('{"x":1}'))
    found = registry.schemas(latest_only=True)
    assert [(one.subject, one.version) for one in found] == [("s", 2)]
    assert len(registry.schemas()) == 2
