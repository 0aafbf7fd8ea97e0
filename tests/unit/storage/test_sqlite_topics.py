from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from fakebus.errors import StorageError
from fakebus.storage.interface import Storage, TopicRow
from fakebus.storage.sqlite_transaction import MAX_LOG_ID

from .batches import END, append, batch, new_topic, offsets
from .conftest import OpenStorage


async def test_topics_come_back_in_the_order_of_creation(storage: Storage) -> None:
    topics = [
        TopicRow(
            name=name,
            topic_id=uuid4(),
            log_ids=(storage.next_log_id(), storage.next_log_id()),
            configs={"retention.ms": "5", "ümlaut": "ÿ"},
        )
        for name in ("zebra", "ape", "mole")
    ]
    for topic in topics:
        await storage.save_topic(topic)
    assert await storage.load_topics() == topics


async def test_log_ids_are_never_handed_out_twice(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    first = await new_topic(storage, "first", partitions=3)
    await storage.delete_topic(first.topic_id)
    second = storage.next_log_id()
    assert second not in first.log_ids
    await storage.close()
    storage = await open_storage(data_file)
    assert storage.next_log_id() not in first.log_ids
    await storage.close()


async def test_the_largest_log_id_and_offset_make_a_row_id(storage: Storage) -> None:
    topic = TopicRow(name="t", topic_id=uuid4(), log_ids=(MAX_LOG_ID,))
    await storage.save_topic(topic)
    await append(storage, MAX_LOG_ID, batch(END - 1))
    assert await offsets(storage, MAX_LOG_ID) == [END - 1]


async def test_running_out_of_log_ids_is_said(open_storage: OpenStorage, data_file: Path) -> None:
    storage = await open_storage(data_file)
    await storage.save_topic(TopicRow(name="t", topic_id=uuid4(), log_ids=(MAX_LOG_ID,)))
    await storage.close()
    storage = await open_storage(data_file)
    with pytest.raises(StorageError, match="no ids left"):
        storage.next_log_id()
    await storage.close()


async def test_saving_a_topic_again_changes_configs_and_adds_partitions(storage: Storage) -> None:
    topic = await new_topic(storage, partitions=2)
    await append(storage, topic.log_ids[0], batch(0), batch(1))
    await storage.delete_before(topic.log_ids[0], 1)
    log_ids = (*topic.log_ids, storage.next_log_id())
    changed = TopicRow(name="orders", topic_id=topic.topic_id, log_ids=log_ids, configs={"a": "b"})
    await storage.save_topic(changed)
    assert await storage.load_topics() == [changed]
    assert [(s.log_id, s.log_start_offset) for s in await storage.load_logs()] == [
        (log_ids[0], 1),
        (log_ids[1], 0),
        (log_ids[2], 0),
    ]


async def test_logs_that_a_saved_topic_names_no_more_are_deleted(storage: Storage) -> None:
    topic = await new_topic(storage)
    [old] = topic.log_ids
    await append(storage, old, batch(0))
    fresh = storage.next_log_id()
    await storage.save_topic(TopicRow(name="orders", topic_id=topic.topic_id, log_ids=(fresh,)))
    assert [state.log_id for state in await storage.load_logs()] == [fresh]
    assert await offsets(storage, old) == []


async def test_a_deleted_topic_is_gone_with_its_batches(storage: Storage) -> None:
    topic = await new_topic(storage, partitions=2)
    other = await new_topic(storage, "other")
    for log_id in (*topic.log_ids, *other.log_ids):
        await append(storage, log_id, batch(0))
    await storage.delete_topic(topic.topic_id)
    assert [row.name for row in await storage.load_topics()] == ["other"]
    assert [state.log_id for state in await storage.load_logs()] == list(other.log_ids)
    assert await offsets(storage, topic.log_ids[0]) == []
    assert await storage.size_bytes(topic.log_ids[0]) == 0
    assert await offsets(storage, other.log_ids[0]) == [0]


async def test_deleting_a_topic_that_is_not_there_does_nothing(storage: Storage) -> None:
    topic = await new_topic(storage)
    await storage.delete_topic(uuid4())
    assert [row.name for row in await storage.load_topics()] == [topic.name]


async def test_a_name_can_be_taken_again_in_the_same_group(storage: Storage) -> None:
    old = await new_topic(storage)
    new = TopicRow(name=old.name, topic_id=uuid4(), log_ids=(storage.next_log_id(),))
    await asyncio.gather(storage.delete_topic(old.topic_id), storage.save_topic(new))
    assert await storage.load_topics() == [new]


async def test_the_state_of_every_log_is_loaded(storage: Storage) -> None:
    topic = await new_topic(storage, partitions=3)
    first, second, third = topic.log_ids
    await append(storage, first, batch(0, 5, timestamp=50), batch(5, 5, timestamp=40, size=7))
    await append(storage, third, batch(100, 1, timestamp=3))
    states = {state.log_id: state for state in await storage.load_logs()}
    assert list(states) == [first, second, third]
    assert (states[first].log_end_offset, states[first].size_bytes) == (10, 17)
    assert states[first].max_timestamp == 50
    assert (states[second].log_end_offset, states[second].max_timestamp) == (0, -1)
    assert (states[third].log_end_offset, states[third].log_start_offset) == (101, 0)
