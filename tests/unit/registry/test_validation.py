"""Topics that take only records of registered schemas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from fakebus.broker.appending import InvalidRecordsError
from fakebus.broker.broker import Broker
from fakebus.broker.configs.describing import describe_topic
from fakebus.errors import ErrorCode
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.registry.registry import Registry
from fakebus.registry.validation import RecordValidator
from fakebus.schemas.framing import frame
from fakebus.types import TopicPartition
from tests.unit.registry.test_registering import request

Produce = Callable[..., Awaitable[None]]
STRATEGY = "confluent.value.subject.name.strategy"
PACKAGE = "io.confluent.kafka.serializers.subject."


@pytest.fixture
async def produce(broker: Broker, registry: Registry) -> Produce:
    broker.record_validator = RecordValidator(registry)

    async def produce(*values: bytes | None, key: bytes | None = b"k", **configs: str) -> None:
        topic = broker.topics.get("orders")
        names = {"confluent." + name.replace("_", "."): value for name, value in configs.items()}
        if topic is None:
            await broker.topics.create("orders", 1, names)
        else:
            await broker.topics.set_configs(topic, names)
        batch = build_batch([NewRecord(key, value, (), 1) for value in values])
        await broker.produce(TopicPartition("orders", 0), batch)

    return produce


async def refused(produce: Produce, *values: bytes | None, **kwargs: object) -> str:
    with pytest.raises(InvalidRecordsError) as error:
        await produce(*values, **kwargs)
    assert error.value.error_code is ErrorCode.INVALID_RECORD
    return error.value.record_errors[0][1]


async def test_topics_take_everything_unless_they_opt_in(produce: Produce) -> None:
    await produce(b"anything")
    await produce(b"anything", value_schema_validation="false")


async def test_values_need_a_schema_of_the_topics_subject(
    produce: Produce, registry: Registry
) -> None:
    mine = await registry.register("orders-value", request())
    other = await registry.register("other-value", request("{}"))
    on = {"value_schema_validation": "true"}
    await produce(frame(mine.schema_id, b""), None, **on)
    assert "begin with a zero byte" in await refused(produce, b"plain", **on)
    assert "not registered: Schema 9 not found" in await refused(produce, frame(9, b""), **on)
    wrong = await refused(produce, frame(other.schema_id, b""), **on)
    assert wrong == "the value's schema 2 is not registered under the subject 'orders-value'"


async def test_every_bad_record_of_a_batch_is_named(produce: Produce, registry: Registry) -> None:
    await registry.register("orders-value", request())
    with pytest.raises(InvalidRecordsError) as error:
        await produce(b"x", frame(1, b""), b"y", value_schema_validation="true")
    assert [index for index, _ in error.value.record_errors] == [0, 2]


async def test_keys_are_checked_apart_from_values(produce: Produce, registry: Registry) -> None:
    await registry.register("orders-key", request())
    on = {"key_schema_validation": "true"}
    await produce(b"plain", key=frame(1, b""), **on)
    assert "the key does not begin" in await refused(produce, b"plain", key=b"k", **on)


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("RecordNameStrategy", "Tiny"),
        ("TopicRecordNameStrategy", "orders-Tiny"),
        (PACKAGE + "TopicRecordNameStrategy", "orders-Tiny"),
    ],
)
async def test_strategies_that_go_by_the_records_name(
    strategy: str, subject: str, produce: Produce, registry: Registry
) -> None:
    await registry.register("orders-value", request())
    on = {"value_schema_validation": "true", "value_subject_name_strategy": strategy}
    assert f"under the subject '{subject}'" in await refused(produce, frame(1, b""), **on)
    await registry.register(subject, request())
    await produce(frame(1, b""), **on)
    await registry.register("nameless", request("{}"))
    assert "no record name" in await refused(produce, frame(2, b""), **on)


async def test_a_soft_deleted_schema_is_not_taken(produce: Produce, registry: Registry) -> None:
    await registry.register("orders-value", request())
    await registry.delete_subject("orders-value")
    message = await refused(produce, frame(1, b""), value_schema_validation="true")
    assert "not registered under the subject" in message


async def test_describing_a_topic_shows_them_only_when_they_are_set(
    produce: Produce, broker: Broker
) -> None:
    for configs, shown in (({}, set()), ({"value_schema_validation": "false"}, {"false"})):
        await produce(b"x", **configs)
        topic = broker.topics.get("orders")
        assert topic is not None
        found = describe_topic(topic.config, broker.config, None)
        assert {one.value for one in found if one.name.startswith("confluent.")} == shown
