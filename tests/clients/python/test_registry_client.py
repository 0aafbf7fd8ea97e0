"""Every call of Confluent's registry client, in both of its styles."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from confluent_kafka.schema_registry import (
    AsyncSchemaRegistryClient,
    ConfigCompatibilityLevel,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    SchemaRegistryError,
    ServerConfig,
)

from tests.clients.cluster import Cluster

pytestmark = pytest.mark.clients

CLIENTS = {"sync": SchemaRegistryClient, "async": AsyncSchemaRegistryClient}

FIRST = Schema(
    json.dumps({"type": "record", "name": "A", "fields": [{"name": "id", "type": "long"}]}), "AVRO"
)
SECOND_CONTENT = {
    "type": "record",
    "name": "A",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": "string", "default": ""},
    ],
}
SECOND = Schema(json.dumps(SECOND_CONTENT), "AVRO")
THIRD = Schema(
    json.dumps({"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}]}), "AVRO"
)


class Registry:
    """A client of either style: `await registry.call(name, ...)`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        result = getattr(self._client, name)(*arguments, **options)
        return await result if inspect.isawaitable(result) else result

    async def refused(self, name: str, *arguments: Any, **options: Any) -> tuple[int, int]:
        """Return the status and the error code with which a call is refused."""
        with pytest.raises(SchemaRegistryError) as error:
            await self.call(name, *arguments, **options)
        return error.value.http_status_code, error.value.error_code

    async def close(self) -> None:
        await self.call("aclose" if hasattr(self._client, "aclose") else "close")


@pytest_asyncio.fixture(params=sorted(CLIENTS))
async def registry(request: pytest.FixtureRequest, cluster: Cluster) -> AsyncIterator[Registry]:
    url = getattr(cluster, "http_url", "")
    if not url:
        pytest.skip("Apache Kafka comes without a schema registry")
    made = Registry(CLIENTS[request.param]({"url": url, "basic.auth.user.info": ":"}))
    yield made
    await made.close()


@pytest.fixture
def subject(unique: Callable[[str], str]) -> str:
    return f"{unique('subject')}/with a slash"


async def test_versions_are_registered_read_and_found(registry: Registry, subject: str) -> None:
    first = await registry.call("register_schema", subject, FIRST)
    second = await registry.call("register_schema_full_response", subject, SECOND)
    assert second.subject == subject
    assert first != second.schema_id
    assert await registry.call("get_versions", subject) == [1, 2]
    assert (await registry.call("get_schema", first)).schema_type == "AVRO"
    latest = await registry.call("get_latest_version", subject)
    assert (latest.version, latest.schema_id) == (2, second.schema_id)
    assert (await registry.call("get_version", subject, 1)).schema_id == first
    found = await registry.call("lookup_schema", subject, SECOND)
    assert found.version == 2
    by_guid = await registry.call("get_schema_by_guid", latest.guid)
    assert json.loads(by_guid.schema_str) == SECOND_CONTENT
    assert subject in await registry.call("get_subjects")
    assert subject in await registry.call("get_subjects_by_schema_id", first)
    versions = await registry.call("get_schema_versions", first)
    assert (subject, 1) in [(found.subject, found.version) for found in versions]
    assert set(await registry.call("get_schema_types")) == {"AVRO", "JSON", "PROTOBUF"}


async def test_what_is_missing_is_said_to_be(registry: Registry, subject: str) -> None:
    assert await registry.refused("get_schema", 999_999) == (404, 40403)
    assert await registry.refused("get_latest_version", subject) == (404, 40401)
    assert await registry.refused("get_versions", subject) == (404, 40401)
    assert await registry.refused("lookup_schema", subject, FIRST) == (404, 40401)
    assert await registry.refused("get_config", subject) == (404, 40408)
    assert await registry.refused("get_mode", subject) == (404, 40409)


async def test_versions_and_subjects_are_deleted(registry: Registry, subject: str) -> None:
    await registry.call("register_schema", subject, FIRST)
    await registry.call("register_schema", subject, SECOND)
    assert await registry.call("delete_version", subject, 1) == 1
    assert await registry.call("delete_version", subject, 1, permanent=True) == 1
    assert await registry.call("delete_subject", subject) == [2]
    assert await registry.call("delete_subject", subject, permanent=True) == [2]
    assert subject not in await registry.call("get_subjects", deleted=True)


async def test_compatibility_is_checked(registry: Registry, subject: str) -> None:
    await registry.call("register_schema", subject, FIRST)
    assert await registry.call("test_compatibility", subject, SECOND) is True
    assert await registry.call("test_compatibility", subject, THIRD) is False
    assert await registry.call("test_compatibility_all_versions", subject, THIRD) is False
    assert await registry.refused("register_schema", subject, THIRD) == (409, 409)


async def test_config_and_mode_are_changed(registry: Registry, subject: str) -> None:
    assert await registry.call("get_compatibility") == "BACKWARD"
    answer = await registry.call("set_compatibility", subject, "full")
    assert answer == {"compatibility": "FULL"}
    assert await registry.call("get_compatibility", subject) == "FULL"
    config = ServerConfig(compatibility=ConfigCompatibilityLevel.NONE)
    changed = await registry.call("set_config", subject, config)
    assert changed["compatibility"] == "NONE"
    read = await registry.call("get_config", subject)
    assert read.compatibility_level == "NONE"
    await registry.call("delete_config", subject)
    assert await registry.refused("get_config", subject) == (404, 40408)
    assert await registry.call("get_global_mode") == "READWRITE"
    assert await registry.call("update_mode", subject, "READONLY") == "READONLY"
    assert await registry.call("get_mode", subject) == "READONLY"
    assert await registry.refused("register_schema", subject, FIRST) == (422, 42205)
    assert await registry.call("delete_mode", subject) == "READONLY"


async def test_contexts_and_references_are_told(registry: Registry, subject: str) -> None:
    context = f":.{subject.partition('/')[0]}:"
    await registry.call("register_schema", f"{context}one", FIRST)
    assert context.strip(":") in await registry.call("get_contexts")
    reference = SchemaReference("A", f"{context}one", 1)
    referring = Schema('{"type":"array","items":"A"}', "AVRO", [reference])
    schema_id = await registry.call("register_schema", f"{context}two", referring)
    assert await registry.call("get_referenced_by", f"{context}one", 1) == [schema_id]
    assert await registry.refused("delete_subject", f"{context}one") == (422, 42206)
