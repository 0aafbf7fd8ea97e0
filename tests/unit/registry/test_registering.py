"""What registering answers, stores and refuses."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fakebus.broker.broker import Broker
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import SchemaRequest
from fakebus.registry.registry import Registry
from tests.unit.registry.conftest import NOW_MS
from tests.unit.registry.tiny_language import TinyLanguage


def request(schema: str = '{"a":null}', **kwargs: object) -> SchemaRequest:
    return SchemaRequest(schema=schema, **kwargs)  # type: ignore[arg-type]


async def test_the_first_schema_gets_id_and_version_1(registry: Registry) -> None:
    found = await registry.register("orders-value", request('{ "a": null }'))
    assert (found.schema_id, found.version, found.subject) == (1, 1, "orders-value")
    assert found.schema == '{"a":null}', "the canonical text is stored"
    assert found.timestamp_ms == NOW_MS
    assert registry.version("orders-value", "latest") == found
    assert registry.schema_by_id(1) == found
    assert registry.max_id() == 1


async def test_registering_again_changes_nothing(registry: Registry, broker: Broker) -> None:
    first = await registry.register("s", request())
    topic = broker.topics.get("_schemas")
    assert topic is not None
    end = topic.partitions[0].high_watermark
    again = await registry.register("s", request('{"a" : null}'))
    assert again == first
    assert topic.partitions[0].high_watermark == end


async def test_the_same_schema_has_one_id_under_all_subjects(registry: Registry) -> None:
    first = await registry.register("a", request())
    second = await registry.register("b", request())
    assert first.schema_id == second.schema_id
    assert registry.subjects_of_id(1) == ["a", "b"]
    assert registry.versions_of_id(1) == [("a", 1), ("b", 1)]
    assert first.guid == second.guid
    assert registry.ids_of_guid(first.guid) == [(".", 1)]


async def test_an_import_that_asks_for_another_id_is_another_version(registry: Registry) -> None:
    await registry.set_mode("s", "IMPORT")
    first = await registry.register("s", request(schema_id=5, version=1))
    assert await registry.register("s", request(schema_id=5)) == first
    second = await registry.register("s", request(schema_id=7))
    assert (second.version, second.schema_id, second.guid) == (2, 7, first.guid)
    assert registry.versions("s") == [1, 2]
    assert await registry.register("s", request()) == second


async def test_the_same_text_of_another_language_is_another_schema(registry: Registry) -> None:
    avro = await registry.register("a", request())
    other = await registry.register("b", request(schema_type="JSON"))
    assert avro.schema_id != other.schema_id
    assert (await registry.parsed(other.schema_id)).schema_type == "JSON"


async def test_metadata_and_rules_make_a_different_schema(registry: Registry) -> None:
    rule = {"name": "r", "type": "CEL", "mode": "READ", "expr": "true"}
    plain = await registry.register("s", request())
    owned = await registry.register("s", request(metadata={"properties": {"owner": "x"}}))
    ruled = await registry.register(
        "s", request(metadata={"properties": {"owner": "x"}}, rule_set={"domainRules": [rule]})
    )
    assert [one.schema_id for one in (plain, owned, ruled)] == [1, 2, 3]
    assert [one.version for one in (plain, owned, ruled)] == [1, 2, 3]
    assert registry.latest_with_metadata("s", {"owner": "x"}).version == 3
    # What is left out is taken from the latest version.
    assert (await registry.register("s", request())).version == 3


async def test_many_at_once_get_different_ids(registry: Registry) -> None:
    found = await asyncio.gather(
        *(registry.register(f"s{n}", request(f'{{"f{n}":null}}')) for n in range(50))
    )
    assert sorted(one.schema_id for one in found) == list(range(1, 51))


async def test_an_incompatible_schema_is_refused_with_confluents_messages(
    registry: Registry,
) -> None:
    await registry.register("s", request('{"a":null}'))
    with pytest.raises(RegistryError) as refused:
        await registry.register("s", request('{"a":null,"b":null}'))
    assert (refused.value.status, refused.value.error_code) == (409, 409)
    assert refused.value.message == (
        'Schema being registered is incompatible with an earlier schema for subject "s", '
        "details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', "
        "description:'b of the new schema is not in the old schema', additionalInfo:'b'}, "
        "{oldSchemaVersion: 1}, {oldSchema: '{\"a\":null}'}, "
        "{validateFields: 'false', compatibility: 'BACKWARD'}]"
    )
    assert registry.versions("s") == [1]


async def test_an_invalid_schema_is_42201(registry: Registry) -> None:
    for schema in ("[]", "{", " ", "\ud800"):
        with pytest.raises(RegistryError) as refused:
            await registry.register("s", request(schema))
        assert (refused.value.status, refused.value.error_code) == (422, 42201)
    with pytest.raises(RegistryError, match="Invalid schema type THRIFT"):
        await registry.register("s", request(schema_type="THRIFT"))
    assert registry.subjects() == []


async def test_a_schema_that_is_too_large_is_42209_without_a_look_at_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[object] = []
    monkeypatch.setattr("fakebus.registry.parsing.language", looked_at.append)
    huge = request('{"a":"' + "x" * 10_000_000 + '"}')
    with pytest.raises(RegistryError) as refused:
        await registry.register("s", huge)
    assert refused.value.error_code == 42209
    assert looked_at == []


async def test_a_schema_of_the_largest_size_can_be_stored(registry: Registry) -> None:
    text = '{"a":"' + "x" * (1_000_000 - 8) + '"}'
    found = await registry.register("s", request(text))
    assert registry.schema_by_id(found.schema_id).schema == text


async def test_a_schema_that_is_too_large_for_the_log_is_42209(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request())
    topic = broker.topics.get("_schemas")
    assert topic is not None
    await broker.topics.set_configs(
        topic, {"cleanup.policy": "compact", "max.message.bytes": "1000"}
    )
    with pytest.raises(RegistryError) as refused:
        await registry.register("other", request('{"b":"' + "x" * 1000 + '"}'))
    assert refused.value.error_code == 42209
    assert registry.subjects() == ["s"]
    assert (await registry.register("other", request('{"b":1}'))).schema_id == 2


async def test_a_nesting_bomb_is_42201(registry: Registry) -> None:
    with pytest.raises(RegistryError) as refused:
        await registry.register("s", request('{"a":' * 100_000 + "1" + "}" * 100_000))
    assert refused.value.error_code == 42201


async def test_a_schema_that_takes_long_does_not_hold_up_others(
    registry: Registry, languages: dict[str, TinyLanguage]
) -> None:
    await registry.register("s", request())
    may_go_on = threading.Event()
    languages["AVRO"].before_large = may_go_on.wait
    slow = asyncio.ensure_future(
        registry.register("slow", request('{"a":"' + "x" * 100_000 + '"}'))
    )
    await asyncio.sleep(0)
    assert (await registry.register("quick", request("{}"))).schema_id == 2
    assert not slow.done()
    may_go_on.set()
    assert (await slow).schema_id == 3


async def test_a_schema_that_takes_too_long_is_given_up(
    registry: Registry, languages: dict[str, TinyLanguage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.registry.workers.TIMEOUT_SECONDS", 0.01)
    may_go_on = threading.Event()
    languages["AVRO"].before_large = may_go_on.wait
    try:
        with pytest.raises(RegistryError) as refused:
            await registry.register("slow", request('{"a":"' + "x" * 100_000 + '"}'))
    finally:
        may_go_on.set()
    assert (refused.value.status, refused.value.error_code) == (500, 50002)


async def test_subjects_that_cannot_be(registry: Registry) -> None:
    for subject in ("a\nb", "\ud800", "__GLOBAL", "__EMPTY", ":.__GLOBAL:s", ":*:s"):
        with pytest.raises(RegistryError) as refused:
            await registry.register(subject, request())
        assert refused.value.error_code == 42208


async def test_normalizing_makes_the_order_of_fields_irrelevant(registry: Registry) -> None:
    first = await registry.register("s", request('{"b":1,"a":1}'), normalize=True)
    assert first.schema == '{"a":1,"b":1}'
    assert await registry.register("s", request('{"b":1,"a":1}'), normalize=True) == first
    assert (await registry.register("s", request('{"b":1,"a":1}'))).version == 2
    await registry.set_config("t", {"normalize": True})
    assert (await registry.register("t", request('{"b":1,"a":1}'))).schema_id == 1


async def test_a_version_out_of_turn_is_refused(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="Version is not one more than previous version"):
        await registry.register("s", request(version=2))
    assert (await registry.register("s", request(version=1))).version == 1


async def test_looking_up(registry: Registry) -> None:
    first = await registry.register("s", request())
    assert await registry.look_up("s", request('{ "a":null}')) == first
    with pytest.raises(RegistryError) as missing:
        await registry.look_up("s", request("{}"))
    assert (missing.value.error_code, missing.value.message) == (40403, "Schema not found")
    with pytest.raises(RegistryError) as missing:
        await registry.look_up("t", request())
    assert missing.value.message == "Subject 't' not found."


async def test_validate_new_schemas_is_the_strict_switch(registry: Registry) -> None:
    await registry.register("s", request('{"_":1}'))
    await registry.set_config("t", {"validateNewSchemas": True})
    with pytest.raises(RegistryError, match="illegal name"):
        await registry.register("t", request('{"_":1}'))


async def test_a_subject_of_the_path_is_only_a_hint_at_the_context(registry: Registry) -> None:
    await registry.register("orders-org.openedx.CloudEvent", request())
    assert registry.schema_by_id(1, subject="orders-value").subject.endswith("CloudEvent")
    with pytest.raises(RegistryError) as missing:
        registry.schema_by_id(2, subject="orders-value")
    assert missing.value.message == "Schema 2 not found"


async def test_resolved_and_unknown_formats(registry: Registry) -> None:
    found = await registry.register("s", request())
    assert await registry.formatted(found, "") == found.schema
    assert await registry.formatted(found, "resolved") == ""
