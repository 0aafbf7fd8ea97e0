"""Compatibility levels, other configs, and modes."""

from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from tests.unit.registry.test_deleting import code_of
from tests.unit.registry.test_registering import request

OLD, NEEDS_MORE, DEFAULTED = "{}", '{"a":null}', '{"a":1}'


def code_of_read(read: object, *args: object) -> int:
    assert callable(read)
    with pytest.raises(RegistryError) as error:
        read(*args)
    return error.value.error_code


@pytest.mark.parametrize(
    ("level", "versions", "candidate", "fits"),
    [
        ("NONE", [OLD], NEEDS_MORE, True),
        ("BACKWARD", [OLD], NEEDS_MORE, False),
        ("BACKWARD", [OLD, DEFAULTED], NEEDS_MORE, True),
        ("BACKWARD_TRANSITIVE", [OLD, DEFAULTED], NEEDS_MORE, False),
        ("FORWARD", [OLD], NEEDS_MORE, True),
        ("FORWARD", [NEEDS_MORE], OLD, False),
        ("FORWARD", [NEEDS_MORE, DEFAULTED], OLD, True),
        ("FORWARD_TRANSITIVE", [NEEDS_MORE, DEFAULTED], OLD, False),
        ("FULL", [OLD], NEEDS_MORE, False),
        ("FULL", [NEEDS_MORE], OLD, False),
        ("FULL", [OLD], DEFAULTED, True),
        ("FULL_TRANSITIVE", [OLD, DEFAULTED], '{"b":1}', True),
        ("FULL_TRANSITIVE", [OLD, DEFAULTED], NEEDS_MORE, False),
    ],
)
async def test_levels(
    level: str, versions: list[str], candidate: str, fits: bool, registry: Registry
) -> None:
    await registry.set_config("s", {"compatibility": "none"})
    for version in versions:
        await registry.register("s", request(version))
    assert await registry.set_config("s", {"compatibility": level.lower()}) == {
        "compatibilityLevel": level
    }
    messages = await registry.check_compatibility("s", None, request(candidate))
    assert (messages == []) is fits
    if fits:
        await registry.register("s", request(candidate))
    else:
        assert messages[-1] == f"{{validateFields: 'false', compatibility: '{level}'}}"
        assert await code_of(registry.register("s", request(candidate))) == 409


async def test_a_check_against_one_version(registry: Registry) -> None:
    await registry.register("s", request(OLD))
    await registry.register("s", request(DEFAULTED))
    assert await registry.check_compatibility("s", 1, request(NEEDS_MORE)) != []
    assert await registry.check_compatibility("s", "latest", request(NEEDS_MORE)) == []
    assert await registry.check_compatibility("none", "latest", request()) == []
    assert await code_of(registry.check_compatibility("s", 3, request())) == 40402
    assert await code_of(registry.check_compatibility("s", "x", request())) == 42202


async def test_another_language_never_fits(registry: Registry) -> None:
    await registry.register("s", request())
    messages = await registry.check_compatibility("s", None, request(schema_type="JSON"))
    assert messages[0] == "Incompatible because of different schema type"


async def test_deleted_versions_are_not_compared_with(registry: Registry) -> None:
    await registry.register("s", request(OLD))
    await registry.delete_version("s", 1)
    assert (await registry.register("s", request(NEEDS_MORE))).version == 2


async def test_a_level_comes_from_the_subject_then_the_context_then_the_default(
    broker: Broker,
) -> None:
    registry = Registry(broker, default_compatibility="FORWARD")
    await registry.start()
    assert registry.config(None) == {"compatibilityLevel": "FORWARD"}
    await registry.set_config(":.__GLOBAL:", {"compatibility": "FULL"})
    assert registry.config("s", default_to_global=True) == {"compatibilityLevel": "FULL"}
    await registry.set_config(":.c:", {"compatibility": "NONE"})
    assert registry.config(":.c:s", default_to_global=True) == {"compatibilityLevel": "NONE"}
    assert registry.config("s", default_to_global=True) == {"compatibilityLevel": "FULL"}
    await registry.set_config(None, {"compatibility": "BACKWARD"})
    assert registry.config("s", default_to_global=True) == {"compatibilityLevel": "BACKWARD"}
    assert code_of_read(registry.config, "s") == 40408
    await registry.set_config("s", {"normalize": True})
    assert registry.config("s") == {"compatibilityLevel": "FORWARD", "normalize": True}
    assert await registry.delete_config("s") == {"compatibilityLevel": "FORWARD", "normalize": True}
    assert await code_of(registry.delete_config("s")) == 40401
    assert await registry.delete_config(None) == {"compatibilityLevel": "BACKWARD"}
    await registry.close()


async def test_bad_configs(registry: Registry, broker: Broker) -> None:
    assert await code_of(registry.set_config("s", {"compatibility": "SIDEWARD"})) == 42203
    assert await code_of(registry.set_config("a\nb", {"compatibility": "FULL"})) == 42208
    assert await code_of(registry.set_config("s", {"normalize": "yes"})) == 42203
    rules = {"domainRules": [{"name": "r", "mode": "UPGRADE", "type": "CEL"}]}
    assert await code_of(registry.set_config("s", {"defaultRuleSet": rules})) == 42210
    with pytest.raises(RegistryError) as refused:
        Registry(broker, default_compatibility="x")
    assert refused.value.error_code == 42203


async def test_a_config_adds_metadata_and_rules(registry: Registry) -> None:
    rule = {"name": "r", "mode": "READ", "type": "CEL"}
    await registry.set_config(
        "s",
        {
            "defaultMetadata": {"properties": {"owner": "me", "team": "a"}},
            "overrideMetadata": {"properties": {"team": "b"}},
            "defaultRuleSet": {"domainRules": [rule]},
        },
    )
    found = await registry.register("s", request(metadata={"properties": {"owner": "you"}}))
    assert found.metadata == {"properties": {"owner": "you", "team": "b"}}
    assert found.rule_set == {
        "domainRules": [
            {"name": "r", "kind": "TRANSFORM", "mode": "READ", "type": "CEL", "disabled": False}
        ]
    }
    assert await registry.look_up("s", request()) == found


async def test_a_compatibility_group_is_compared_apart(registry: Registry) -> None:
    await registry.set_config("s", {"compatibilityGroup": "major"})
    await registry.register("s", request(OLD, metadata={"properties": {"major": "1"}}))
    same = request(NEEDS_MORE, metadata={"properties": {"major": "1"}})
    assert await code_of(registry.register("s", same)) == 409
    other = request(NEEDS_MORE, metadata={"properties": {"major": "2"}})
    assert (await registry.register("s", other)).version == 2


async def test_there_is_always_a_mode_of_the_whole_registry(registry: Registry) -> None:
    assert registry.mode(None) == registry.mode(":.__GLOBAL:") == "READWRITE"
    with pytest.raises(RegistryError) as refused:
        registry.mode(":.other:")
    assert refused.value.error_code == 40409


async def test_an_alias_stands_for_another_subject(registry: Registry) -> None:
    await registry.register("real", request())
    await registry.set_config("alias", {"alias": "real"})
    assert registry.version("alias", 1).subject == "real"
    assert registry.versions("alias") == [1]
    assert (await registry.register("alias", request(DEFAULTED))).subject == "real"


async def test_read_only_refuses_changes(registry: Registry) -> None:
    await registry.register("s", request())
    assert await registry.set_mode("s", "readonly") == "READONLY"
    with pytest.raises(RegistryError) as refused:
        await registry.register("s", request(DEFAULTED))
    assert refused.value.error_code == 42205
    assert refused.value.message == "Subject s in context  is in read-only mode"
    assert await code_of(registry.delete_subject("s")) == 42205
    assert await code_of(registry.set_config("s", {"compatibility": "FULL"})) == 42205
    assert await registry.delete_mode("s") == "READONLY"
    await registry.set_mode(None, "READONLY")
    with pytest.raises(RegistryError) as refused:
        await registry.set_config(None, {"compatibility": "FULL"})
    assert refused.value.message == "The registry is in read-only mode"
    await registry.set_mode(None, "READWRITE")
    await registry.register("s", request(DEFAULTED))


async def test_forward_mode_takes_schemas_with_their_ids_only(registry: Registry) -> None:
    await registry.set_mode(":.__GLOBAL:", "FORWARD")
    assert await code_of(registry.register("s", request())) == 42205
    taken = await registry.register("s", request(schema_id=77, version=3))
    assert (taken.schema_id, taken.version) == (77, 3)


async def test_modes_come_from_subject_context_and_default(registry: Registry) -> None:
    assert registry.mode(None) == "READWRITE"
    assert code_of_read(registry.mode, "s") == 40409
    assert await code_of(registry.delete_mode("s")) == 40401
    assert await code_of(registry.set_mode("s", "WRITEONLY")) == 42204
    assert await code_of(registry.set_mode("s", "FORWARD")) == 42204
    await registry.set_mode(None, "READONLY")
    assert registry.mode("s", default_to_global=True) == "READONLY"
    await registry.set_mode("s", "READWRITE")
    await registry.register("s", request())
    assert await code_of(registry.register("t", request())) == 42205
    assert await registry.delete_mode(None, recursive=True) == "READONLY"
    assert code_of_read(registry.mode, "s") == 40409


async def test_import_takes_ids_and_versions_from_outside(registry: Registry) -> None:
    assert await code_of(registry.register("s", request(schema_id=7))) == 42205
    await registry.set_mode("s", "IMPORT")
    found = await registry.register("s", request(NEEDS_MORE, schema_id=7, version=3))
    assert (found.schema_id, found.version) == (7, 3)
    # No compatibility check, and no schema without an id.
    again = await registry.register("s", request('{"z":null}', schema_id=8, version=5))
    assert (again.schema_id, again.version) == (8, 5)
    assert await code_of(registry.register("s", request(OLD))) == 42205
    with pytest.raises(RegistryError) as refused:
        await registry.register("s", request('{"other":1}', schema_id=7))
    assert refused.value.error_code == 42205
    assert "Overwrite new schema with id 7 in context" in refused.value.message
    await registry.delete_mode("s")
    assert (await registry.register("t", request(OLD))).schema_id == 9


async def test_an_imported_schema_may_have_two_ids(registry: Registry) -> None:
    await registry.set_mode(None, "IMPORT")
    for schema_id in (5, 9):
        await registry.register(f"s{schema_id}", request(OLD, schema_id=schema_id))
    again = await registry.register("t", request(OLD, schema_id=5))
    assert again.schema_id == 5
    assert registry.subjects_of_id(5) == ["s5", "t"]


async def test_import_needs_an_empty_subject_unless_forced(registry: Registry) -> None:
    await registry.register("s", request())
    with pytest.raises(RegistryError, match="Cannot import since found existing subjects"):
        await registry.set_mode("s", "IMPORT")
    await registry.delete_subject("s")
    await registry.set_mode("s", "IMPORT")
    assert registry.subjects(deleted=True) == []
    await registry.delete_mode("s")
    await registry.register("t", request())
    await registry.set_mode("t", "IMPORT", force=True)
    assert registry.versions("t") == [1]
