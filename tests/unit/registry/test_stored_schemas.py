"""What is stored already, by older rules or by others: found, compared and built upon."""

from __future__ import annotations

import json

import pytest

from fakebus.broker.broker import Broker
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.registry.errors import RegistryError
from fakebus.registry.log_records import schema_key
from fakebus.registry.model import MAX_NUMBER, Reference
from fakebus.registry.registry import Registry
from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.languages import language
from fakebus.types import TopicPartition
from tests.unit.registry.test_registering import request


@pytest.fixture
def languages() -> None:
    """Leave the real languages where they are."""


async def store(
    broker: Broker, subject: str, version: int, schema_id: int, **value: object
) -> None:
    """Write a schema as another registry would have written it."""
    if broker.topics.get("_schemas") is None:
        await broker.topics.create("_schemas", 1, {"cleanup.policy": "compact"})
    data = {"subject": subject, "version": version, "id": schema_id, "deleted": False, **value}
    record = NewRecord(schema_key(subject, version), json.dumps(data).encode(), (), 0)
    await broker.produce(TopicPartition("_schemas", 0), build_batch([record]))


WRONG_DEFAULT = (
    '{"type":"record","name":"P","fields":['
    '{"name":"x","type":["int","null"],"default":"null"},{"name":"y","type":"string","default":1}]}'
)
WRONG_NAMES = (
    '{"type":"record","name":"P-x","namespace":"1","fields":['
    '{"name":"x-y","type":{"type":"enum","name":"E e","symbols":["a-b"]},"aliases":["ü!"]}]}'
)
MENDED = '{"type":"record","name":"P","fields":[{"name":"x","type":["int","null"],"default":1}]}'

SAME = {
    "avro, properties in another order": (
        "AVRO",
        '{"type":"record","name":"P","fields":[{"name":"id","type":{"type":"long","v":1,'
        '"connect.parameters":{"t":"BIGINT","n":"20"}},"default":1,"k":"1","aliases":["i","j"]}]}',
        '{"name":"P","type":"record","fields":[{"k":"1","name":"id","type":{"type":"long",'
        '"connect.parameters":{"n":"20","t":"BIGINT"},"v":1},"aliases":["j","i"],"default":1}]}',
    ),
    "avro, a namespace said twice": (
        "AVRO",
        '{"type":"fixed","name":"a.F","size":1}',
        '{ "size": 1, "name": "F", "namespace": "a", "type": "fixed" }',
    ),
    "json, with spaces": ("JSON", '{"type":"object","a":1}', '{ "type": "object",\n"a": 1 }'),
    "protobuf, without empty lines": (
        "PROTOBUF",
        'syntax = "proto3"; message A { string a = 1; } message B {}',
        'syntax = "proto3";\nmessage A {\n  string a = 1; // why\n}\nmessage B {\n}\n',
    ),
}


@pytest.mark.parametrize("by_others", [False, True], ids=["registered", "stored by others"])
@pytest.mark.parametrize("name", SAME)
async def test_a_schema_is_known_however_it_is_written(
    registry: Registry, broker: Broker, name: str, by_others: bool
) -> None:
    kind, one, other = SAME[name]
    if by_others:
        await store(broker, "s", 1, 11, schema=one, schemaType=kind)
    else:
        await registry.register("s", request(one, schema_type=kind))
    for text in (one, other):
        for normalize in (False, True):
            asked = request(text, schema_type=kind)
            if kind == "JSON" and normalize and '"a":1}' in one:
                # The order of the keys counts, and is another one.
                asked = request(text.replace('"type"', '"z"').replace("object", "1"))
                continue
            found = await registry.look_up("s", asked, normalize=normalize)
            assert (found.version, found.schema_id) == (1, 11 if by_others else 1)
        again = await registry.register("s", request(text, schema_type=kind))
        assert (again.version, again.schema_id) == (1, 11 if by_others else 1)
    assert registry.versions("s") == [1]


DIFFERENT = {
    "documentation": ("AVRO", '{"type":"enum","name":"E","symbols":["A"],"doc":"d"}'),
    "an alias": ("AVRO", '{"type":"enum","name":"E","symbols":["A"],"aliases":["F"]}'),
    "a default": ("AVRO", '{"type":"enum","name":"E","symbols":["A"],"default":"A"}'),
    "a namespace": ("AVRO", '{"type":"enum","name":"E","symbols":["A"],"namespace":"n"}'),
    "a property": ("AVRO", '{"type":"enum","name":"E","symbols":["A"],"p":{"a":[1]}}'),
    "an item's place": ("AVRO", '{"type":"enum","name":"E","symbols":["A"],"p":{"a":[2,1]}}'),
}


async def test_what_says_something_else_is_another_schema(registry: Registry) -> None:
    await registry.set_config("s", {"compatibility": "NONE"})
    texts = [
        '{"type":"enum","name":"E","symbols":["A"]}',
        *(text for _, text in DIFFERENT.values()),
    ]
    texts.append('{"type":"enum","name":"E","symbols":["A"],"p":{"a":[1,2]}}')
    for number, text in enumerate(texts, 1):
        assert (await registry.register("s", request(text))).version == number
    for number, text in enumerate(texts, 1):
        assert (await registry.look_up("s", request(text))).version == number


async def test_references_may_be_written_out_when_looking_up(registry: Registry) -> None:
    await registry.register("money", request('{"type":"fixed","name":"Money","size":8}'))
    order = '{"type":"record","name":"Order","fields":[{"name":"total","type":%s}]}'
    references = (Reference("Money", "money", 1),)
    await registry.register("order", request(order % '"Money"', references=references))
    written_out = request(order % '{"type":"fixed","name":"Money","size":8}')
    assert (await registry.look_up("order", written_out)).version == 1
    assert (await registry.register("order", written_out)).version == 1
    with pytest.raises(RegistryError) as failure:
        await registry.look_up("money", request('{"type":"fixed","name":"Money","size":9}'))
    assert failure.value.error_code == 40403


async def test_a_version_in_the_metadata_must_be_the_one_that_is_meant(registry: Registry) -> None:
    await registry.register("s", request('"int"', metadata={"properties": {"a": "b"}}))
    for version, found in (("1", True), ("2", False)):
        metadata = {"properties": {"a": "b", "confluent:version": version}}
        asked = registry.look_up("s", request('"int"', metadata=metadata))
        if found:
            assert (await asked).version == 1
        else:
            with pytest.raises(RegistryError):
                await asked


async def test_a_wrong_default_is_refused_of_a_new_schema_only(
    registry: Registry, broker: Broker
) -> None:
    with pytest.raises(RegistryError, match="does not fit"):
        await registry.register("new", request(WRONG_DEFAULT))
    with pytest.raises(RegistryError, match="does not fit"):
        await registry.check_compatibility("new", None, request(WRONG_DEFAULT))

    await store(broker, "copied", 1, 91000, schema=WRONG_DEFAULT)
    assert (await registry.look_up("copied", request(WRONG_DEFAULT))).schema_id == 91000
    assert await registry.check_compatibility("copied", "latest", request(MENDED)) == []
    assert (await registry.register("copied", request(MENDED))).version == 2
    assert (await registry.register("copied", request(WRONG_DEFAULT))).version == 1
    schema = await registry.parsed(91000)
    assert schema.decode(schema.encode({"x": 1, "y": "a"})) == {"x": 1, "y": "a"}
    with pytest.raises(SchemaDataError, match="default"):
        schema.encode({"y": "a"})


async def test_the_check_of_new_schemas_can_be_turned_off(registry: Registry) -> None:
    await registry.set_config("s", {"validateNewSchemas": False, "compatibility": "NONE"})
    assert (await registry.register("s", request(WRONG_DEFAULT))).version == 1
    assert (await registry.register("s", request(WRONG_NAMES))).version == 2
    assert await registry.check_compatibility("s", "latest", request(WRONG_DEFAULT)) == []
    await registry.set_config("s", {"validateNewSchemas": True})
    assert (await registry.register("s", request(WRONG_DEFAULT))).version == 1
    with pytest.raises(RegistryError, match="does not fit"):
        await registry.register("s", request(WRONG_DEFAULT.replace('"y"', '"z"')))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("AVRO", WRONG_DEFAULT),
        ("AVRO", WRONG_NAMES),
        ("JSON", '{"$ref": "gone.json", "type": 5}'),
        ("PROTOBUF", 'syntax = "proto3"; import "gone.proto"; message A { gone.G g = 1; }'),
    ],
)
async def test_import_takes_what_no_new_schema_may_say(
    registry: Registry, kind: str, text: str
) -> None:
    with pytest.raises(RegistryError):
        await registry.register("s", request(text, schema_type=kind))
    await registry.set_mode("s", "IMPORT")
    asked = request(text, schema_type=kind, schema_id=90001, version=1)
    found = await registry.register("s", asked)
    assert (found.schema_id, found.version) == (90001, 1)
    assert await registry.formatted(found, "resolved") == found.schema
    await registry.set_mode("s", "READWRITE")
    assert (await registry.look_up("s", request(text, schema_type=kind))).version == 1
    if kind != "AVRO":
        good = {"JSON": "true", "PROTOBUF": 'syntax = "proto3"; message A {}'}[kind]
        for compared in (good, text):
            with pytest.raises(RegistryError) as failure:
                await registry.check_compatibility("s", 1, request(compared, schema_type=kind))
            assert failure.value.error_code == 42201


async def test_a_schema_may_build_on_one_that_is_older_than_the_rules(
    registry: Registry, broker: Broker
) -> None:
    await store(broker, "base", 1, 5, schema=WRONG_DEFAULT)
    text = '{"type":"record","name":"R","fields":[{"name":"p","type":"P"}]}'
    found = await registry.register("s", request(text, references=(Reference("P", "base", 1),)))
    assert "default" in await registry.formatted(found, "resolved")


async def test_what_nobody_can_read_hides_nothing_else(registry: Registry, broker: Broker) -> None:
    await store(broker, "s", 1, 5, schema="no JSON at all")
    await store(broker, "s", 2, 6, schema='{"type": "int"}')
    assert (await registry.look_up("s", request('"int"'))).schema_id == 6
    assert (await registry.register("s", request('"int"'))).schema_id == 6


@pytest.mark.parametrize(
    ("kind", "text", "new"),
    [
        ("AVRO", "no JSON at all", '"int"'),
        ("AVRO", '["int", "int"]', '"int"'),
        ("AVRO", '"nowhere.Type"', '"int"'),
        ("JSON", '{"type": "integr"}', "{}"),
        ("PROTOBUF", 'syntax = "proto3"; message A { nowhere.B x = 1; }', "message A {}"),
    ],
)
async def test_what_nobody_can_read_is_told_to_be_an_earlier_version(
    registry: Registry, broker: Broker, kind: str, text: str, new: str
) -> None:
    await store(broker, "s", 3, 5, schema=text, schemaType=kind)
    good = request(new, schema_type=kind)
    for ask in (registry.check_compatibility("s", None, good), registry.register("s", good)):
        with pytest.raises(RegistryError) as refused:
            await ask
        assert refused.value.error_code == 42201
        assert str(refused.value).startswith("Version 3 cannot be compared with: ")
        assert str(refused.value).endswith("or set the compatibility of the subject to NONE")
    await registry.set_config("s", {"compatibility": "NONE"})
    await registry.register("s", good)


async def test_the_last_id_is_given_once(registry: Registry) -> None:
    await registry.set_mode("imp", "IMPORT")
    await registry.register("imp", request('"int"', schema_id=MAX_NUMBER, version=1))
    for subject, text in (("e", '"double"'), ("f", '"float"')):
        with pytest.raises(RegistryError, match="no id left") as failure:
            await registry.register(subject, request(text))
        assert (failure.value.status, failure.value.error_code) == (422, 42205)
    assert (await registry.register("g", request('"int"'))).schema_id == MAX_NUMBER
    assert registry.subjects() == ["g", "imp"]


async def test_the_last_version_is_given_once(registry: Registry) -> None:
    await registry.set_mode("s", "IMPORT")
    await registry.register("s", request('"int"', schema_id=1, version=MAX_NUMBER))
    await registry.set_mode("s", "READWRITE")
    with pytest.raises(RegistryError, match="no version left"):
        await registry.register("s", request('"long"'))
    assert registry.versions("s") == [MAX_NUMBER]


async def test_a_read_only_subject_still_tells_what_it_has(registry: Registry) -> None:
    await registry.register("s", request('"int"'))
    await registry.set_mode("s", "READONLY")
    assert (await registry.register("s", request('{"type": "int"}'))).version == 1
    with pytest.raises(RegistryError, match="read-only"):
        await registry.register("s", request('"long"'))


async def test_what_the_log_does_not_give_back_was_not_registered(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.registry.registration.MAX_NUMBER", 2**40)
    await registry.set_mode("s", "IMPORT")
    with pytest.raises(RegistryError) as failure:
        await registry.register("s", request('"int"', schema_id=2**31, version=1))
    assert failure.value.error_code == 50001
    assert registry.subjects() == []


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        ("AVRO", '{"type":"record","name":"R","namespace":"n","fields":[]}', "n.R"),
        ("JSON", '{"title":"T","enum":[[1],[2]]}', "T"),
        ("PROTOBUF", 'syntax = "proto3"; package p; enum E { A = 0; } message M {}', "p.M"),
    ],
)
async def test_a_record_name_is_told_without_parsing_the_schema(
    registry: Registry,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    text: str,
    name: str,
) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("the event loop would wait for this")

    await store(broker, "s", 1, 5, schema=text, schemaType=kind)
    monkeypatch.setattr(type(language(kind)), "parse", parse)
    assert registry.record_name(5) == name


async def test_the_record_name_of_what_is_no_schema_is_an_error(
    registry: Registry, broker: Broker
) -> None:
    await store(broker, "s", 1, 5, schema="no JSON at all")
    await store(broker, "s", 2, 6, schema='"string"', schemaType="KLINGON")
    for schema_id in (5, 6):
        with pytest.raises(RegistryError) as failure:
            registry.record_name(schema_id)
        assert failure.value.error_code == 42201
