"""The ``_schemas`` topic is the store: what is in it holds, whoever wrote it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.log_rewriting import cut_off
from fakebus.broker.partition_log import PartitionLog
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.builder import build_batch
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from fakebus.registry import schema_log
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.registry.schema_log import SchemaLog
from fakebus.storage.interface import StoredBatch
from fakebus.types import TopicPartition
from tests.unit.registry.conftest import NOW_MS
from tests.unit.registry.test_deleting import code_of
from tests.unit.registry.test_registering import request
from tests.unit.registry.tiny_language import TinyLanguage

LOG = TopicPartition("_schemas", 0)


async def records_of(broker: Broker) -> list[tuple[object, object]]:
    log = broker.partition_log(LOG)
    batches = await log.read(0, log.high_watermark, 2**30)
    return [
        (json.loads(record.key or b"null"), json.loads(record.value or b"null"))
        for batch in batches
        for record in read_records(batch.data)
    ]


async def write(broker: Broker, key: object, value: object) -> None:
    def encoded(part: object) -> bytes | None:
        return part if part is None or isinstance(part, bytes) else json.dumps(part).encode()

    record = NewRecord(encoded(key), encoded(value), (), NOW_MS)
    await broker.produce(LOG, build_batch([record]))


def schema_key(subject: str, version: int) -> dict[str, object]:
    return {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}


def schema_value(subject: str, version: int, schema_id: int) -> dict[str, object]:
    return {
        "subject": subject,
        "version": version,
        "id": schema_id,
        "schema": "{}",
        "deleted": False,
    }


async def restarted(broker: Broker) -> Registry:
    registry = Registry(broker)
    await registry.start()
    return registry


@pytest.mark.parametrize(
    ("cleared", "left"),
    [({"subject": "a"}, {"a": [2], "b": [1, 2]}), ({}, {"a": [2], "b": [2]}), (None, None)],
)
async def test_deleted_versions_are_gone_for_good_when_their_subject_is_cleared(
    broker: Broker,
    languages: dict[str, TinyLanguage],
    cleared: dict[str, str] | None,
    left: dict[str, list[int]] | None,
) -> None:
    await broker.topics.create("_schemas", 1, {"cleanup.policy": "compact"})
    for name, first in (("a", 1), ("b", 3)):
        for version in (1, 2):
            value = schema_value(name, version, first + version)
            value["schema"] = json.dumps({name: version})
            await write(broker, schema_key(name, version), value)
        deleted = {"keytype": "DELETE_SUBJECT", "subject": name, "magic": 0}
        await write(broker, deleted, {"subject": name, "version": 1})
    if cleared is not None:
        await write(broker, {"keytype": "CLEAR_SUBJECT", "magic": 0, **cleared}, {**cleared})
    registry = await restarted(broker)
    found = {name: registry.versions(name, deleted=True) for name in ("a", "b")}
    assert found == (left or {"a": [1, 2], "b": [1, 2]})


async def test_nothing_exists_before_the_first_write(
    registry: Registry, broker: Broker, languages: dict[str, TinyLanguage]
) -> None:
    assert registry.subjects() == []
    assert broker.topics.get("_schemas") is None
    await registry.register("s", request())
    topic = broker.topics.get("_schemas")
    assert topic is not None
    assert (len(topic.partitions), topic.config.compact) == (1, True)


async def test_the_records_are_those_of_confluents_registry(
    registry: Registry, broker: Broker
) -> None:
    found = await registry.register("s", request(schema_type="JSON"))
    await registry.set_config("s", {"compatibility": "FULL"})
    await registry.set_mode("s", "READWRITE")
    await registry.delete_mode("s")
    await registry.delete_version("s", 1)
    schema = {
        "subject": "s",
        "version": 1,
        "id": 1,
        "guid": found.guid,
        "schemaType": "JSON",
        "schema": '{"a":null}',
        "deleted": False,
    }
    assert await records_of(broker) == [
        (schema_key("s", 1), schema),
        (
            {"keytype": "CONFIG", "subject": "s", "magic": 0},
            {"subject": "s", "compatibilityLevel": "FULL"},
        ),
        (
            {"keytype": "MODE", "subject": "s", "magic": 0},
            {"subject": "s", "mode": "READWRITE"},
        ),
        ({"keytype": "MODE", "subject": "s", "magic": 0}, None),
        (schema_key("s", 1), schema | {"deleted": True}),
    ]


async def test_a_restart_brings_everything_back(
    registry: Registry, broker: Broker, languages: dict[str, TinyLanguage]
) -> None:
    await registry.register("s", request("{}"))
    await registry.register("s", request('{"a":1}', metadata={"properties": {"k": "v"}}))
    await registry.register(":.c:s", request("{}"))
    await registry.register("t", request("{}"))
    await registry.delete_subject("t")
    await registry.set_config("s", {"compatibility": "FULL"})
    await registry.set_mode("t", "READONLY")
    parsed = languages["AVRO"].parsed
    other = await restarted(broker)
    assert other.schemas(deleted=True) == registry.schemas(deleted=True)
    assert other.config("s") == {"compatibilityLevel": "FULL"}
    assert other.mode("t") == "READONLY"
    assert other.contexts() == [".", ".c"]
    assert languages["AVRO"].parsed == parsed, "nothing is parsed before it is used"
    assert (await other.register("u", request('{"new":1}'))).schema_id == 3
    await other.close()


async def test_nobody_waits_for_a_log_that_is_followed_no_more(
    registry: Registry, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registry.register("s", request())
    log = registry._log
    assert log._cursor is not None

    async def read_of_another(self: SchemaLog) -> bool:
        # The topic went and came back while its records were read.
        topic = broker.topics.get("_schemas")
        assert topic is not None
        self._leave()
        self._follow(topic.partitions[0])
        self._reading = None
        return True

    rounds = iter("12345")
    catch_up = SchemaLog._catch_up

    def counted_catch_up(self: SchemaLog) -> None:
        # A loop that gives way to nothing would let no timeout end the test.
        assert next(rounds, None), "it goes on for ever"
        catch_up(self)

    monkeypatch.setattr(SchemaLog, "_catch_up", counted_catch_up)
    monkeypatch.setattr(SchemaLog, "_read_in_background", read_of_another)
    monkeypatch.setattr(PartitionLog, "read_cached", lambda *_: None)
    log._cursor.position = 0
    await log.caught_up()


async def test_two_registries_on_one_log_follow_each_other(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request())
    other = await restarted(broker)
    await registry.register("t", request("{}"))
    assert other.schemas() == registry.schemas()
    await other.close()


async def test_foreign_records_take_effect(registry: Registry, broker: Broker) -> None:
    await broker.topics.create("_schemas", 1, {"cleanup.policy": "compact"})
    await write(broker, schema_key("s", 1), schema_value("s", 1, 41))
    assert registry.version("s", 1).schema_id == 41
    assert registry.version("s", 1).timestamp_ms == NOW_MS
    assert (await registry.register("s", request('{"a":1}'))).schema_id == 42
    assert (await registry.register("t", request("{}"))).schema_id == 41
    key = {"keytype": "DELETE_SUBJECT", "subject": "s", "magic": 0}
    await write(broker, key, {"subject": "s", "version": 1})
    assert registry.versions("s") == [2]
    await write(broker, schema_key("s", 1), None)
    assert registry.versions("s", deleted=True) == [2]
    await write(broker, {"keytype": "NOOP", "magic": 0}, None)
    assert registry.subjects() == ["s", "t"]


async def test_a_version_that_is_overwritten_lets_go_of_its_id(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request('{"a":1}'))
    await write(broker, schema_key("s", 1), schema_value("s", 1, 5))
    with pytest.raises(RegistryError):
        registry.schema_by_id(1)
    assert registry.schema_by_id(5).schema == "{}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"\xff", b"{}"),
        (b"[" * 100_000, b"{}"),
        (b"7", b"{}"),
        ({"keytype": 1}, {}),
        ({"keytype": "SCHEMA", "subject": 7, "version": 1}, {}),
        ({"keytype": "SCHEMA", "subject": "s", "version": "1"}, {}),
        ({"keytype": "SCHEMA", "subject": "s", "version": 0}, schema_value("s", 0, 1)),
        (schema_key("s", 1), b"{"),
        (schema_key("s", 1), schema_value("s", 1, -1)),
        (schema_key("s", 1), {"id": 1, "schema": 5}),
        (schema_key("s", 1), {"id": 1, "schema": "{}", "references": [{"name": "x"}]}),
        (schema_key("s", 1), {"id": 1, "schema": "{}", "references": {"name": "x"}}),
        (schema_key("s", 1), {"id": 1, "schema": "{}", "metadata": 7}),
        (schema_key("s", 1), {"id": 1, "schema": "{}", "ruleSet": []}),
        ({"keytype": "DELETE_SUBJECT", "subject": "s"}, {"version": "all"}),
        ({"keytype": "MODE", "subject": "s"}, {"mode": 1}),
        ({"keytype": "MODE", "subject": "s"}, {"mode": "WRITEONLY"}),
        ({"keytype": "CONFIG", "subject": "s"}, {"compatibilityLevel": "SIDEWARD"}),
        (schema_key("s", 1), {"id": 1, "schema": "\ud800"}),
    ],
)
async def test_malformed_records_are_skipped_and_logged(
    key: object,
    value: object,
    registry: Registry,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = await registry.register("good", request())
    with caplog.at_level(logging.WARNING, "fakebus.registry"):
        await write(broker, key, value)
    assert "at offset 1" in caplog.text
    assert registry.schemas(deleted=True) == [first]
    assert (await registry.register("s", request("{}"))).schema_id == 2


async def test_a_restart_reads_over_malformed_records(registry: Registry, broker: Broker) -> None:
    await registry.register("s", request())
    await write(broker, b"\xff", b"")
    await registry.register("t", request("{}"))
    other = await restarted(broker)
    assert other.subjects() == ["s", "t"]
    await other.close()


async def test_a_deleted_topic_takes_the_schemas_along_but_no_id_comes_back(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request('{"a":1}'))
    topic = broker.topics.get("_schemas")
    assert topic is not None
    await broker.topics.delete(topic)
    assert registry.subjects() == []
    assert (await registry.register("t", request('{"b":1}'))).schema_id == 2
    assert (await registry.register("t", request('{"a":1}'))).schema_id == 1


async def test_a_log_that_was_cut_off_is_read_again(registry: Registry, broker: Broker) -> None:
    await registry.register("s", request("{}"))
    await registry.register("t", request('{"a":1}'))
    log = broker.partition_log(LOG)
    await cut_off(log, 1, log_start_offset=0, log_end_offset=1)
    await registry.register("u", request('{"b":1}'))
    assert registry.subjects() == ["s", "u"]
    assert registry.schema_by_id(3).subject == "u", "id 2 is not given to another schema"


async def test_others_get_their_turns_while_a_log_that_was_cut_off_is_read_again(
    registry: Registry, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        await registry.register(f"s{number}", request(f'{{"a":{number}}}'))
    log, worked_off = registry._log, list[int]()
    work_off = log._work_off

    def noted(count: int) -> None:
        worked_off.append(min(count, len(log._backlog)))
        work_off(count)

    monkeypatch.setattr(schema_log, "_SLICE", 1)
    monkeypatch.setattr(log, "_work_off", noted)
    await cut_off(broker.partition_log(LOG), 29, log_start_offset=0, log_end_offset=29)
    await log.caught_up()
    assert len(registry.subjects()) == 29
    assert (max(worked_off), sum(worked_off)) == (1, 29)


async def test_what_is_cut_off_while_the_log_is_read_is_not_known(
    registry: Registry, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registry.register("a", request("{}"))
    await registry.register("b", request('{"a":1}'))
    log = broker.partition_log(LOG)
    read, reading, go_on = log.read, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: int) -> Sequence[StoredBatch]:
        batches = await read(*arguments)
        if not reading.is_set():
            reading.set()
            await go_on.wait()
        return batches

    monkeypatch.setattr(log, "read", slow)
    other = Registry(broker)
    starting = asyncio.create_task(other.start())
    await reading.wait()
    (last,) = await read(log.high_watermark - 1, log.high_watermark, 1)
    await cut_off(log, last.base_offset, log_start_offset=0, log_end_offset=last.base_offset)
    await registry.register("c", request('{"b":1}'))
    go_on.set()
    await starting
    assert other.subjects() == ["a", "c"]
    await other.close()


async def test_deleted_records_do_not_change_what_is_known(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request("{}"))
    await broker.partition_log(LOG).delete_records(-1)
    assert registry.subjects() == ["s"]


async def test_a_write_that_fails_changes_nothing(
    registry: Registry, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registry.register("s", request("{}"))

    def fail(*args: object, **named: object) -> None:
        raise BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, "not stored: disk full")

    with monkeypatch.context() as patched:
        patched.setattr(broker, "produce", fail)
        assert await code_of(registry.register("t", request('{"a":1}'))) == 50001
    assert registry.subjects() == ["s"]
    assert (await registry.register("t", request('{"a":1}'))).schema_id == 2


async def test_a_cancelled_registration_is_finished_before_the_next_one(
    registry: Registry, broker: Broker
) -> None:
    writing = asyncio.Event()
    broker.topics.on_changed.append(lambda topic: writing.set())
    first = asyncio.ensure_future(registry.register("s", request("{}")))
    second = asyncio.ensure_future(registry.register("t", request('{"a":1}')))
    await writing.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert registry.version("s", 1).schema_id == 1
    assert (await second).schema_id == 2


async def test_empty_settings_of_foreign_configs_count_as_missing(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request("{}"))
    key = {"keytype": "CONFIG", "subject": "s", "magic": 0}
    await write(broker, key, {"compatibilityLevel": None, "alias": None, "normalize": True})
    assert registry.config("s") == {"compatibilityLevel": "BACKWARD", "normalize": True}


async def test_an_alias_that_is_no_name_in_a_foreign_config_stands_for_nothing(
    registry: Registry, broker: Broker
) -> None:
    await registry.register("s", request("{}"))
    key = {"keytype": "CONFIG", "subject": "s", "magic": 0}
    for alias in (5, ["t"], ""):
        await write(broker, key, {"alias": alias})
        assert registry.version("s", 1).subject == "s"


async def test_a_record_without_a_guid_has_that_of_its_content(
    registry: Registry, broker: Broker
) -> None:
    first = await registry.register("s", request("{}"))
    for version, told in enumerate((None, 5, "of another registry"), start=1):
        value = schema_value("t", version, version) | {"guid": told}
        await write(broker, schema_key("t", version), value)
    found = [registry.version("t", version).guid for version in (1, 2, 3)]
    assert found == [first.guid, first.guid, "of another registry"]


async def test_a_topic_that_is_not_compacted_is_worth_a_warning(
    registry: Registry, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.topics.create("_schemas", 2, {})
    assert "not compacted" in caplog.text
    await registry.register("s", request())
    assert registry.subjects() == ["s"]


async def test_after_closing_nothing_is_followed(registry: Registry, broker: Broker) -> None:
    await registry.register("s", request())
    await registry.close()
    await write(broker, schema_key("t", 1), schema_value("t", 1, 2))
    assert registry.subjects() == ["s"]
