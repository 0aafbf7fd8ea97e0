from __future__ import annotations

from fakebus.storage.interface import GroupRow, OffsetRow, Storage


def row(topic: str, partition: int, offset: int) -> OffsetRow:
    return OffsetRow(
        topic=topic,
        partition=partition,
        offset=offset,
        leader_epoch=3,
        metadata="möre",
        commit_timestamp_ms=1234,
    )


async def test_committed_offsets_make_the_group(storage: Storage) -> None:
    await storage.commit_offsets("g", [row("t", 0, 5), row("t", 1, 6)])
    expected = GroupRow(group_id="g", snapshot=None, offsets=(row("t", 0, 5), row("t", 1, 6)))
    assert await storage.load_groups() == [expected]


async def test_a_later_commit_replaces_an_earlier_one(storage: Storage) -> None:
    await storage.commit_offsets("g", [row("t", 0, 5), row("u", 0, 1)])
    await storage.commit_offsets("g", [row("t", 0, 2)])
    [group] = await storage.load_groups()
    assert group.offsets == (row("t", 0, 2), row("u", 0, 1))


async def test_an_expiry_of_its_own_is_kept_and_replaced(storage: Storage) -> None:
    expiring = row("t", 0, 5)._replace(expire_timestamp_ms=99)
    await storage.commit_offsets("g", [expiring])
    [group] = await storage.load_groups()
    assert group.offsets == (expiring,)
    await storage.commit_offsets("g", [row("t", 0, 5)])
    [group] = await storage.load_groups()
    assert group.offsets == (row("t", 0, 5),)


async def test_a_snapshot_and_offsets_do_not_disturb_each_other(storage: Storage) -> None:
    await storage.commit_offsets("g", [row("t", 0, 5)])
    await storage.save_group("g", b"one")
    await storage.save_group("g", b"two")
    await storage.commit_offsets("g", [row("t", 0, 6)])
    expected = GroupRow(group_id="g", snapshot=b"two", offsets=(row("t", 0, 6),))
    assert await storage.load_groups() == [expected]


async def test_a_group_stays_when_its_last_offset_is_deleted(storage: Storage) -> None:
    await storage.commit_offsets("g", [row("t", 0, 5), row("t", 1, 5)])
    await storage.delete_offsets("g", [("t", 0), ("t", 1), ("no such", 7)])
    assert await storage.load_groups() == [GroupRow(group_id="g", snapshot=None, offsets=())]


async def test_a_deleted_group_is_gone_with_its_offsets(storage: Storage) -> None:
    await storage.commit_offsets("g", [row("t", 0, 5)])
    await storage.commit_offsets("h", [row("t", 0, 6)])
    await storage.delete_group("g")
    await storage.save_group("g", b"new")
    assert await storage.load_groups() == [
        GroupRow(group_id="g", snapshot=b"new", offsets=()),
        GroupRow(group_id="h", snapshot=None, offsets=(row("t", 0, 6),)),
    ]


async def test_group_names_may_hold_any_character(storage: Storage) -> None:
    names = ["", "a\0b", "ä/ö", "x" * 10_000, "'; DROP TABLE groups; --"]
    for name in names:
        await storage.commit_offsets(name, [row("t", 0, 1)])
    groups = await storage.load_groups()
    assert sorted(group.group_id for group in groups) == sorted(names)
    assert all(group.offsets == (row("t", 0, 1),) for group in groups)
