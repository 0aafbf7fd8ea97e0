"""ConsumerGroupHeartbeat: who is let in, what it gets, and when it has to give it up."""

from __future__ import annotations

import pytest

from fakebus.broker.groups.requests import PartitionOffset
from fakebus.errors import ErrorCode
from tests.unit.broker.groups.bench import REBALANCE_MS, Bench
from tests.unit.broker.groups.conftest import NewBench
from tests.unit.broker.groups.consumer.talk import Client, settle


async def test_the_first_member_gets_all_partitions_at_once(bench: Bench) -> None:
    client = Client(bench, "a")
    result = await client.send()
    assert (result.member_epoch, result.heartbeat_interval_ms) == (2, 5000)
    assert client.numbers == [0, 1, 2, 3]
    assert (await client.send()).assignment is None
    assert (await client.send(**client.fields)).assignment == client.owned, "it asked for all"


async def test_a_partition_has_no_new_owner_until_the_old_one_has_given_it_up(bench: Bench) -> None:
    first, second = Client(bench, "a"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await second.send()
    assert (second.epoch, second.numbers) == (3, [])
    assert (await first.send()).member_epoch == 2, "it stays where it is until it has let go"
    assert len(first.wanted) == 2
    await second.send()
    assert second.numbers == []
    assert bench.state() == "Reconciling"
    assert (await first.acknowledge()).member_epoch == 3
    await second.send()
    assert (first.numbers, second.numbers) == ([0, 1], [2, 3])
    assert bench.state() == "Stable"


async def test_assignments_are_made_no_oftener_than_the_interval(bench: Bench) -> None:
    first, second = Client(bench, "a"), Client(bench, "b")
    await first.send()
    assert (await second.send()).member_epoch == 2
    assert bench.state() == "Assigning"
    await bench.advance(1)
    assert (await second.send()).member_epoch == 3


async def test_a_member_that_gives_nothing_up_is_removed_after_its_rebalance_timeout(
    bench: Bench,
) -> None:
    first, second = Client(bench, "a"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await second.send()
    await first.send()
    for _ in range(REBALANCE_MS // 1000 - 1):
        await bench.advance(1)
        assert (await first.send()).error is ErrorCode.NONE
        await second.send()
    await bench.advance(1)
    assert (await first.send()).error is ErrorCode.UNKNOWN_MEMBER_ID
    await second.send()
    assert second.numbers == [0, 1, 2, 3]


async def test_a_silent_member_is_removed_after_the_session_timeout(new_bench: NewBench) -> None:
    bench = await new_bench(
        group_consumer_min_session_timeout_ms="500", group_consumer_session_timeout_ms="6000"
    )
    first, second = Client(bench, "a"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await second.send()
    await settle(first, second)
    for _ in range(6):
        await bench.advance(1)
        await second.send()
    assert second.numbers == [0, 1, 2, 3]
    assert (await first.send()).error is ErrorCode.UNKNOWN_MEMBER_ID


async def test_who_leaves_is_gone_at_once_and_others_get_its_share(bench: Bench) -> None:
    first, second = Client(bench, "a"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await second.send()
    await settle(first, second)
    assert (await second.leave()).member_epoch == -1
    await bench.advance(1)
    await first.send()
    assert first.numbers == [0, 1, 2, 3]
    await first.leave()
    assert bench.state() == "Empty"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_REQUEST),
        ({"group_id": "other"}, ErrorCode.GROUP_ID_NOT_FOUND),
        ({"member_id": ""}, ErrorCode.INVALID_REQUEST),
        ({"member_id": "x"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_epoch": 7}, ErrorCode.FENCED_MEMBER_EPOCH),
        ({"member_epoch": -3}, ErrorCode.INVALID_REQUEST),
        ({"member_epoch": -2}, ErrorCode.INVALID_REQUEST),
        ({"member_epoch": 0}, ErrorCode.INVALID_REQUEST),
        ({"member_epoch": 0, "rebalance_timeout_ms": 1}, ErrorCode.INVALID_REQUEST),
        ({"instance_id": ""}, ErrorCode.INVALID_REQUEST),
        ({"instance_id": "i"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"rack_id": " "}, ErrorCode.INVALID_REQUEST),
        ({"assignor": "sticky"}, ErrorCode.UNSUPPORTED_ASSIGNOR),
        ({"regex": "t(?=u)"}, ErrorCode.INVALID_REGULAR_EXPRESSION),
        ({"regex": "t)|(u"}, ErrorCode.INVALID_REGULAR_EXPRESSION),
    ],
)
async def test_what_is_wrong_with_a_heartbeat_is_said_and_changes_nothing(
    bench: Bench, fields: dict[str, object], error: ErrorCode
) -> None:
    client = Client(bench, "a")
    await client.send()
    before = bench.coordinator.describe("g")
    result = await client.send(**fields)
    assert (result.error, bool(result.message)) == (error, True)
    assert bench.coordinator.describe("g") == before
    assert bench.coordinator.describe("other") is None


async def test_a_client_without_a_member_id_is_given_one_before_version_1(bench: Bench) -> None:
    client = Client(bench, "")
    await client.send(brings_member_id=False)
    assert client.member_id
    assert (await client.send(brings_member_id=False)).error is ErrorCode.NONE


async def test_a_member_may_repeat_an_epoch_whose_answer_was_lost(bench: Bench) -> None:
    first, second = Client(bench, "a"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await second.send()
    await first.send()
    lost = await first.acknowledge()
    assert (await first.send(member_epoch=2)).member_epoch == lost.member_epoch == 3
    refused = await first.send(member_epoch=2, owned=None)
    assert refused.error is ErrorCode.FENCED_MEMBER_EPOCH
    # What was assigned may not be what such a member has.
    assert (await first.send(member_epoch=2, owned=second.owned)).error is ErrorCode.NONE
    await second.send()
    refused = await first.send(member_epoch=2, owned=second.owned)
    assert refused.error is ErrorCode.FENCED_MEMBER_EPOCH


@pytest.mark.parametrize(("epoch", "relation"), [(7, "greater"), (1, "smaller")])
async def test_a_fenced_member_is_told_both_epochs(bench: Bench, epoch: int, relation: str) -> None:
    client = Client(bench, "a")
    await client.send()
    refused = await client.send(member_epoch=epoch, owned=None)
    assert refused.message == (
        f"The consumer group member has a {relation} member epoch ({epoch}) than the one known by "
        "the group coordinator (2). The member must abandon all its partitions and rejoin."
    )


async def test_members_leave_with_their_connection_but_static_ones_stay(
    new_bench: NewBench,
) -> None:
    bench = await new_bench(fakebus_evict_on_disconnect="true")
    connection = object()
    clients = [
        Client(bench, "a", connection=connection),
        Client(bench, "b", connection=object()),
        Client(bench, "c", connection=connection, instance_id="i"),
    ]
    for client in clients:
        await client.send()
    bench.coordinator.connections.closed(connection)
    told = [(await client.send(owned=None)).error for client in clients]
    assert told == [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE, ErrorCode.NONE]


async def test_a_group_takes_no_more_members_than_its_limit(new_bench: NewBench) -> None:
    bench = await new_bench(group_consumer_max_size="1")
    first = Client(bench, "a")
    await first.send()
    assert (await Client(bench, "b").send()).error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert (await first.send()).error is ErrorCode.NONE


async def test_a_static_member_comes_back_to_its_share(bench: Bench) -> None:
    first, other = Client(bench, "a", instance_id="i"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await other.send()
    await settle(first, other)
    own = first.owned
    again = Client(bench, "a2", instance_id="i")
    assert (await again.send()).error is ErrorCode.UNRELEASED_INSTANCE_ID
    assert (await first.leave(-2)).member_epoch == -2
    epoch = bench.coordinator.describe("g").generation_id  # type: ignore[union-attr]
    await again.send()
    assert (again.owned, again.epoch) == (own, epoch), "nothing is shared out anew"
    first.epoch = epoch
    assert (await first.send()).error is ErrorCode.FENCED_INSTANCE_ID
    assert (await other.send()).assignment is None


async def test_a_member_may_become_a_static_one_and_another_one(bench: Bench) -> None:
    client = Client(bench, "a")
    await client.send()
    epoch, share = client.epoch, client.owned
    for instance_id in ("i", "j"):
        client.fields["instance_id"], client.epoch, client.owned = instance_id, 0, frozenset()
        await client.send()
        assert (client.epoch, client.owned) == (epoch, share), "nothing is shared out anew"
        (member,) = bench.coordinator.describe("g").members  # type: ignore[union-attr]
        assert member.group_instance_id == instance_id
    assert (await client.send(instance_id="i")).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert (await client.leave(-2)).member_epoch == -2


async def test_a_static_member_that_stays_away_is_removed(bench: Bench) -> None:
    first, other = Client(bench, "a", instance_id="i"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await other.send()
    await settle(first, other)
    await first.leave(-2)
    for _ in range(46):
        await bench.advance(1)
        await other.send()
    assert other.numbers == [0, 1, 2, 3]


async def test_topics_that_appear_grow_or_go_are_shared_out_anew(bench: Bench) -> None:
    client = Client(bench, "a", topics=frozenset({"t", "v"}))
    await client.send()
    bench.topics.put("w", 3)
    await bench.advance(1)
    assert (await client.send()).assignment is None, "it does not read that one"
    bench.topics.put("v", 3)
    await client.send()
    assert len(client.owned) == 7
    bench.topics.put("t", 6)
    await bench.advance(1)
    await client.send()
    assert len(client.owned) == 9
    bench.topics.delete("t")
    await bench.advance(1)
    await client.send()
    await client.acknowledge()
    assert (len(client.owned), bench.state()) == (3, "Stable")


async def test_a_regular_expression_matches_whole_names_also_of_later_topics(bench: Bench) -> None:
    client = Client(bench, "a", topics=None, regex="t|v.*")
    await client.send()
    assert client.numbers == [0, 1, 2, 3]
    bench.topics.put("vw", 1)
    bench.topics.put("tv", 1)
    await bench.advance(1)
    await client.send()
    assert len(client.owned) == 5
    described = bench.coordinator.describe("g")
    assert described is not None
    assert described.members[0].topics == {"t", "vw"}


async def test_a_subscription_may_change(bench: Bench) -> None:
    client = Client(bench, "a")
    await client.send()
    await bench.advance(1)
    result = await client.send(topics=frozenset({"u"}))
    assert result.assignment == frozenset(), "what it does not read is taken at once"
    await client.acknowledge()
    assert {place.topic_id for place in client.owned} == {bench.topics.get("u").topic_id}


async def test_commits_need_an_epoch_in_which_the_partition_was_owned(bench: Bench) -> None:
    first, second = Client(bench, "a"), Client(bench, "b")
    await first.send()
    await bench.advance(1)
    await second.send()
    await first.send()
    await first.acknowledge()
    await second.send()
    assert (first.numbers, first.epoch) == ([0, 1], 3)

    async def commit(client: Client, epoch: int, partition: int, **fields: object) -> ErrorCode:
        offset = PartitionOffset("t", partition, 8)
        request = {"member_id": client.member_id, "generation_id": epoch, **fields}
        (error,) = await bench.commit(offset, **request)
        return error

    assert await commit(first, 3, 0) is ErrorCode.NONE
    assert await commit(first, 2, 0) is ErrorCode.NONE, "it owns that one since epoch 2"
    assert await commit(first, 2, 2) is ErrorCode.STALE_MEMBER_EPOCH
    assert await commit(second, 2, 2) is ErrorCode.STALE_MEMBER_EPOCH
    assert await commit(second, 4, 2) is ErrorCode.STALE_MEMBER_EPOCH
    assert await commit(Client(bench, "x"), 3, 0) is ErrorCode.UNKNOWN_MEMBER_ID
    older = await commit(first, 3, 0, knows_member_epochs=False)
    assert older is ErrorCode.UNSUPPORTED_VERSION
    check = bench.coordinator.check_fetch
    assert check("g", "a", 3) is check("g", None, -1) is ErrorCode.NONE
    assert check("g", "a", 2) is ErrorCode.STALE_MEMBER_EPOCH
    assert check("g", "x", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert check("g", None, 0) is ErrorCode.UNKNOWN_MEMBER_ID, "only who tells no epoch is let in"


async def test_an_empty_group_may_become_one_of_the_other_type(bench: Bench) -> None:
    await bench.commit()
    client = Client(bench, "a")
    await client.send()
    assert bench.committed() == 5
    await client.leave()
    member_id = await bench.new_id()
    described = bench.coordinator.describe("g")
    assert described is not None
    assert (described.group_type, member_id != "") == ("classic", True)
    assert bench.committed() == 5


@pytest.mark.parametrize("kill", [True, False])
async def test_members_go_on_where_they_were_after_a_restart(bench: Bench, kill: bool) -> None:
    first, second = Client(bench, "a", instance_id="i"), Client(bench, "b", regex="u")
    await first.send()
    await bench.advance(1)
    await second.send()
    if not kill:
        await settle(first, second)
    before = bench.coordinator.describe("g")
    await bench.restart()
    assert bench.coordinator.describe("g") == before
    await settle(first, second)
    assert not first.owned & second.owned
    assert len(first.owned | second.owned) == 8


async def test_an_answer_waits_until_what_it_says_is_stored(bench: Bench) -> None:
    client = Client(bench, "a")
    bench.store.hold()
    with pytest.raises(AssertionError, match="still waits"):
        await client.send()
    bench.store.release()
    bench.store.fails = True
    other = Client(bench, "b")
    await bench.advance(1)
    assert (await other.send()).error is ErrorCode.NOT_COORDINATOR


async def test_a_static_member_whose_id_another_one_has_taken_is_known_no_more(
    bench: Bench,
) -> None:
    first = Client(bench, "same", instance_id="first")
    second = Client(bench, "same", instance_id="second")
    await first.send()
    await second.send()
    await second.send(member_epoch=-1)
    for epoch in (first.epoch, -1, -2):
        result = await first.send(member_epoch=epoch)
        assert result.error is ErrorCode.UNKNOWN_MEMBER_ID
