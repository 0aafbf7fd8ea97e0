"""The registry with a real language: what Open edX and Confluent's clients go by."""

from __future__ import annotations

import json
import time

import pytest

from fakebus.registry.errors import RegistryError
from fakebus.registry.model import Reference
from fakebus.registry.registry import Registry
from tests.unit.registry.test_registering import request


@pytest.fixture
def languages() -> None:
    """Leave the real languages where they are."""


def record(name: str, *fields: dict[str, object]) -> str:
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


async def test_all_string_keys_of_open_edx_are_one_schema(registry: Registry) -> None:
    for number, field in enumerate(("course_key", "username", "id")):
        key = json.dumps({"name": field, "type": "string"})
        assert (await registry.register(f"topic{number}-string", request(key))).schema_id == 1
    assert registry.schema_by_id(1).schema == '"string"'


async def test_the_reasons_of_an_incompatible_schema(registry: Registry) -> None:
    await registry.register("s", request(record("R", {"name": "a", "type": "string"})))
    changed = record("R", {"name": "a", "type": "string"}, {"name": "b", "type": "int"})
    messages = await registry.check_compatibility("s", "latest", request(changed))
    assert messages[0].startswith("{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', ")
    assert "new schema" in messages[0]
    assert "old schema" in messages[0]
    assert messages[1] == "{oldSchemaVersion: 1}"
    assert messages[2].startswith('{oldSchema: \'{"type":"record"')


async def test_references_and_data(registry: Registry) -> None:
    await registry.register("money", request(record("Money", {"name": "cents", "type": "long"})))
    order = record("Order", {"name": "total", "type": "Money"})
    found = await registry.register(
        "orders-value", request(order, references=(Reference("Money", "money", 1),))
    )
    schema = await registry.parsed(found.schema_id)
    data = {"total": {"cents": 250}}
    assert schema.decode(schema.encode(data)) == data
    assert "cents" in await registry.formatted(found, "resolved")
    assert registry.record_name(found.schema_id) == "Order"


@pytest.mark.parametrize(
    "bomb",
    [
        '{"type":"array","items":' * 20_000 + '"int"' + "}" * 20_000,
        "[" * 100_000,
        '{"type":"array","items":' * 300 + '"int"' + "}" * 300 + " " * 900_000,
    ],
)
async def test_a_nesting_bomb_is_refused_at_once(bomb: str, registry: Registry) -> None:
    started = time.process_time()
    with pytest.raises(RegistryError) as refused:
        await registry.register("s", request(bomb))
    assert refused.value.error_code == 42201
    assert time.process_time() - started < 5


async def test_what_is_no_avro_schema_is_refused(registry: Registry) -> None:
    for text in ("", "nonsense", '{"type":"strange"}', "{}", "null"):
        with pytest.raises(RegistryError) as refused:
            await registry.register("s", request(text))
        assert refused.value.error_code == 42201
    assert registry.subjects() == []
