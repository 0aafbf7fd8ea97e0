"""Topics, their partitions, and records that are written to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topic
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, FakebusError
from fakebus.records.record import NewRecord
from fakebus.registry.sources import RegistrySchema
from fakebus.web.body import read_body
from fakebus.web.errors import RequestError
from fakebus.web.rest.call import RestCall, field
from fakebus.web.rest.media_types import SCHEMA_TYPES, body_format, content_type
from fakebus.web.rest.payloads import (
    plain_bytes,
    schema_bytes,
    schema_of_id,
    schema_of_text,
)
from fakebus.web.rest.producing import Stored
from fakebus.wording import counted

MOST_RECORDS = 100_000
"""Records of a request."""
_FIELDS = frozenset(("key", "value", "partition"))
_SCHEMA_MISSING = {"key": 42201, "value": 42202}
_NO_SCHEMAS = {"key": None, "value": None}


async def list_topics(call: RestCall) -> object:
    """List the names of the topics."""
    return sorted(topic.name for topic in call.bus.broker.topics)


async def read_topic(call: RestCall) -> object:
    """Tell the configs and partitions of a topic."""
    topic = call.topic()
    details = await call.cluster.topic(topic.name)
    return {
        "name": topic.name,
        "configs": {each.name: each.value for each in details.configs},
        "partitions": [_partition(call, topic, log) for log in topic.partitions],
    }


async def list_partitions(call: RestCall) -> object:
    """List the partitions of a topic, with their replicas."""
    topic = call.topic()
    return [_partition(call, topic, log) for log in topic.partitions]


async def read_partition(call: RestCall) -> object:
    """Tell the replicas of a partition."""
    return _partition(call, call.topic(), call.log())


async def read_offsets(call: RestCall) -> object:
    """Tell where the log of a partition begins and ends."""
    log = call.log()
    return {"beginning_offset": log.log_start_offset, "end_offset": log.high_watermark}


async def list_brokers(call: RestCall) -> object:
    """List the numbers of the brokers."""
    return {"brokers": [each.node_id for each in await call.cluster.brokers()]}


def _partition(call: RestCall, topic: Topic, log: PartitionLog) -> dict[str, object]:
    nodes, number = call.bus.broker.nodes, log.topic_partition.partition
    replicas = nodes.replicas(topic, number)
    leader, in_sync = nodes.leader(log), nodes.in_sync(log, replicas)
    return {
        "partition": number,
        "leader": leader,
        "replicas": [
            {"broker": each, "leader": each == leader, "in_sync": each in in_sync}
            for each in replicas
        ],
    }


async def produce_to_partition(call: RestCall) -> object:
    """Write records to one partition of a topic."""
    await call.topic_to_write()
    return await _produce(call, call.log().topic_partition.partition)


async def produce(call: RestCall) -> object:
    """Write records to a topic, each to the partition that it names, or else by its key."""
    return await _produce(call, None)


async def _produce(call: RestCall, partition: int | None) -> object:
    topic = await call.topic_to_write()
    form = body_format(content_type(call.request))
    raw = await read_body(call.request)
    async with call.producing.one_by_one(len(raw)):
        return await _write(call, topic, partition, form, call.parsed(raw))


async def _write(
    call: RestCall, topic: Topic, partition: int | None, form: str, body: dict[str, Any]
) -> object:
    records = [each async for each in in_turns(_records(body))]
    if form in SCHEMA_TYPES:
        schemas = {what: await _schema(call, topic, form, body, what) for what in _NO_SCHEMAS}
        _demand_schemas(records, schemas)
    else:
        schemas = dict(_NO_SCHEMAS)
    wanted = []
    async for index, each in in_turns(enumerate(records)):
        key, value = (
            _bytes(form, schemas[what], each.get(what), f"records[{index}].{what}")
            for what in schemas
        )
        place = field(each, "partition", int, error_code=422) if partition is None else partition
        wanted.append((place, NewRecord(key, value)))
    outcomes = await call.producing.write(topic, wanted, call.origin)
    ids = {f"{what}_schema_id": each and each.schema_id for what, each in schemas.items()}
    return {"offsets": [_told(each) async for each in in_turns(outcomes)], **ids}


def _records(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    records = body.get("records")
    if records is None or records == []:
        raise RequestError(422, "records must be a list of at least one record")
    if not isinstance(records, list):
        raise RequestError(400, "records must be a list")
    if len(records) > MOST_RECORDS:
        text = (
            f"the body has {counted(len(records), 'record')}; send at most {MOST_RECORDS} at once"
        )
        raise RequestError(413, text)
    for index, each in enumerate(records):
        if not isinstance(each, dict):
            raise RequestError(400, f"records[{index}] must be an object")
        unknown = sorted(each.keys() - _FIELDS)
        if unknown or not each:
            name = repr(unknown[0][:80]) if unknown else "nothing"
            raise RequestError(422, f"records[{index}] has {name}; records have key and value")
        yield each


async def _schema(
    call: RestCall, topic: Topic, form: str, body: dict[str, Any], what: str
) -> RegistrySchema | None:
    registry, subject = call.bus.registry, f"{topic.name}-{what}"
    number, text = body.get(f"{what}_schema_id"), field(body, f"{what}_schema", str)
    if number is not None:
        digits = str(number)
        if isinstance(number, bool) or not digits.isascii() or not digits.isdigit():
            raise RequestError(422, f"{what}_schema_id must be a whole number")
        return await schema_of_id(registry, subject, form, int(digits[:10]))
    return await schema_of_text(registry, subject, form, text) if text else None


def _demand_schemas(
    records: list[dict[str, Any]], schemas: dict[str, RegistrySchema | None]
) -> None:
    for what, schema in schemas.items():
        if schema is None and any(each.get(what) is not None for each in records):
            raise RequestError(
                422,
                f"the records have a {what}: give {what}_schema or {what}_schema_id",
                error_code=_SCHEMA_MISSING[what],
            )


def _bytes(form: str, schema: RegistrySchema | None, data: object, where: str) -> bytes | None:
    if data is None:
        return None
    if schema is not None:
        return schema_bytes(schema, data, where)
    return plain_bytes(form, data, where)


def _told(outcome: Stored | FakebusError) -> dict[str, object]:
    if isinstance(outcome, Stored):
        place: dict[str, object] = {"partition": outcome.partition, "offset": outcome.offset}
        return {**place, "error_code": None, "error": None}
    is_retriable = isinstance(outcome, BrokerError) and outcome.error_code.retriable
    told: dict[str, object] = {"partition": None, "offset": None}
    return {**told, "error_code": 2 if is_retriable else 1, "error": str(outcome)}
