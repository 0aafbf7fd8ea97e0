"""Quotas of clients: what can be set, what filters find, and what throttles whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Side, Sides, attempts
from tests.differential.taken_away import take_away_quotas
from tests.unit.broker.batches import batch

pytestmark = pytest.mark.kafka

EXACT, DEFAULT, ANY = range(3)
Names = list[tuple[str, str | None]]
Values = list[tuple[str, float | None]]
BY_USER = [("user", "u")]
PRODUCED = ("producer_byte_rate", 1000.0)


def alteration(*changes: tuple[Names, Values], validate_only: bool = False) -> Any:
    return m.AlterClientQuotasRequest(
        entries=[
            m.AlterClientQuotasRequestEntryData(
                entity=[m.EntityData(entity_type=kind, entity_name=name) for kind, name in names],
                ops=[
                    m.OpData(key=key, value=value or 0.0, remove=value is None)
                    for key, value in values
                ],
            )
            for names, values in changes
        ],
        validate_only=validate_only,
    )


def quotas_filter(*components: tuple[str, int, str | None], strict: bool = False) -> Any:
    return m.DescribeClientQuotasRequest(
        components=[
            m.ComponentData(entity_type=kind, match_type=match, match=name)
            for kind, match, name in components
        ],
        strict=strict,
    )


def in_order(answer: Any) -> Any:
    """The same answer, whatever the order in which a side tells it."""
    for entry in answer["entries"] or []:
        entry["entity"].sort(key=repr)
        if "values" in entry:
            entry["values"].sort(key=repr)
    if answer["entries"] is not None:
        answer["entries"].sort(key=lambda entry: repr(entry["entity"]))
    return answer


def altered(side: Side, *changes: tuple[Names, Values], version: int = 1, **other: bool) -> Any:
    answer = side.ask(ApiKey.ALTER_CLIENT_QUOTAS, version, alteration(*changes, **other))
    return in_order(answer)


def described(side: Side, *components: Any, version: int = 1, **other: bool) -> Any:
    asked = quotas_filter(*components, **other)
    return in_order(side.ask(ApiKey.DESCRIBE_CLIENT_QUOTAS, version, asked))


ENTITIES: list[Names] = [
    [("user", "u")],
    [("user", None)],
    [("client-id", "c")],
    [("client-id", None)],
    [("user", "u"), ("client-id", "c")],
    [("user", "u"), ("client-id", None)],
    [("user", None), ("client-id", "c")],
    [("user", None), ("client-id", None)],
]
ADDRESSES: list[Names] = [[("ip", "10.1.2.3")], [("ip", None)]]


@pytest.fixture(autouse=True)
def no_quotas(sides: Sides) -> Iterator[None]:
    """Take away what a test has set, on both sides."""
    yield
    for side in (sides.kafka, sides.bus):
        take_away_quotas(side)


def settled(side: Side, count: int) -> None:
    """Wait until a side shows so many entities: Kafka's broker learns of them a little later."""
    for _ in attempts():
        if len(described(side)["entries"]) == count:
            return
    raise AssertionError(described(side))


@pytest.mark.parametrize("version", [0, 1])
def test_quotas_are_set_found_by_filters_and_taken_away(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        values: Values = [
            *(("producer_byte_rate", 1e12), ("consumer_byte_rate", 2e12)),
            *(("request_percentage", 5000.5), ("controller_mutation_rate", 1e6)),
        ]
        heard = [
            altered(side, *((entity, values) for entity in ENTITIES), version=version),
            altered(
                side,
                *((one, [("connection_creation_rate", 1e6)]) for one in ADDRESSES),
                version=version,
            ),
        ]
        settled(side, len(ENTITIES) + len(ADDRESSES))
        for strict in (False, True):
            for components in (
                [],
                [("user", EXACT, "u")],
                [("user", DEFAULT, None)],
                [("user", ANY, None)],
                [("client-id", EXACT, "c")],
                [("client-id", ANY, None)],
                [("user", EXACT, "u"), ("client-id", DEFAULT, None)],
                [("user", ANY, None), ("client-id", ANY, None)],
                [("user", EXACT, "nobody")],
                [("ip", EXACT, "10.1.2.3")],
                [("ip", DEFAULT, None)],
                [("ip", ANY, None)],
            ):
                heard.append(described(side, *components, version=version, strict=strict))
        heard.append(
            altered(side, (ENTITIES[4], [(key, None) for key, _ in values]), version=version)
        )
        settled(side, len(ENTITIES) + len(ADDRESSES) - 1)
        heard.append(described(side, version=version))
        return heard

    sides.compare(scenario)


@pytest.mark.parametrize(
    "changes",
    [
        [([], [PRODUCED])],
        [([("user", "")], [PRODUCED])],
        [([("users", "u")], [PRODUCED])],
        [([("ip", "10.1.2.3"), ("user", "u")], [("connection_creation_rate", 1)])],
        [([("ip", "not an address")], [("connection_creation_rate", 1)])],
        [([("ip", "10.1.2.3")], [PRODUCED])],
        [([("ip", "10.1.2.3")], [("connection_creation_rate", 2.0**31)])],
        [(BY_USER, [("connection_creation_rate", 1)])],
        [(BY_USER, [("bytes", 1)])],
        [(BY_USER, [("producer_byte_rate", 0.0)])],
        [(BY_USER, [("producer_byte_rate", -1.0)])],
        [(BY_USER, [("producer_byte_rate", 1.5)])],
        [(BY_USER, [("producer_byte_rate", 1e19)])],
        [(BY_USER, [PRODUCED, PRODUCED])],
        [(BY_USER, [PRODUCED]), (BY_USER, [PRODUCED])],
        [(BY_USER, [("bytes", None)])],
        [(BY_USER, [])],
        [([("user", "v")], [PRODUCED]), (BY_USER, [PRODUCED, ("bytes", 1.0)])],
    ],
)
def test_what_cannot_be_set_is_refused_for_its_entity_alone(sides: Sides, changes: Any) -> None:
    sides.compare(lambda side: altered(side, *changes))


def test_to_validate_changes_nothing(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        checked = altered(side, (BY_USER, [PRODUCED]), validate_only=True)
        wrong = altered(side, (BY_USER, [("bytes", 1.0)]), validate_only=True)
        return checked, wrong, described(side)

    sides.compare(scenario)


def throttled(side: Side, *quotas: tuple[Names, float]) -> Any:
    """What an answer tells to wait, while clients may take up so much of the broker's time."""
    altered(side, *((names, [("request_percentage", share)]) for names, share in quotas))
    settled(side, len(quotas))
    return side.call(ApiKey.METADATA, 9, m.MetadataRequest(topics=[])).throttle_time_ms


@pytest.mark.parametrize("names", ENTITIES[1:4:2] + ENTITIES[-1:], ids=str)
def test_defaults_hold_for_everybody(sides: Sides, names: Names) -> None:
    assert sides.compare(lambda side: throttled(side, (names, 1e-9))) == 1000


MUCH, LITTLE = 1e6, 1e-9
ME, MY_CLIENT = ("user", "ANONYMOUS"), ("client-id", "raw")


@pytest.mark.parametrize(
    "before",
    [
        ([ME, MY_CLIENT], [ME, ("client-id", None)]),
        ([ME, ("client-id", None)], [ME]),
        ([ME], [("user", None), MY_CLIENT]),
        ([("user", None), MY_CLIENT], [("user", None), ("client-id", None)]),
        ([("user", None), ("client-id", None)], [("user", None)]),
        ([("user", None)], [MY_CLIENT]),
        ([MY_CLIENT], [("client-id", None)]),
        ([("user", "somebody")], [("client-id", "another")]),
    ],
    ids=str,
)
def test_the_closest_quota_counts(sides: Sides, before: tuple[Names, Names]) -> None:
    closer, farther = before
    assert sides.compare(lambda side: throttled(side, (closer, MUCH), (farther, LITTLE))) == 0


def as_client(side: Side, name: str, api: ApiKey, version: int, asked: Any) -> Any:
    side.client.send(api, version, asked, client_id=name)
    return side.client.receive(api, version)[1]


def test_bytes_are_counted_over_ten_seconds(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(max_message_bytes="3000000")
        name = "client of " + topic
        altered(
            side,
            ([("client-id", name)], [("producer_byte_rate", 1e6), ("consumer_byte_rate", 4e5)]),
        )
        settled(side, 1)

        def produce() -> int:
            records = m.PartitionProduceData(index=0, records=bytes(batch(b"x" * 2_650_000)))
            asked = m.ProduceRequest(
                acks=1,
                timeout_ms=1000,
                topic_data=[m.TopicProduceData(name=topic, partition_data=[records])],
            )
            answer = as_client(side, name, ApiKey.PRODUCE, 9, asked)
            assert answer.responses[0].partition_responses[0].error_code == 0
            told: int = answer.throttle_time_ms
            return told

        def fetch(epoch: int, session_id: int = 0) -> Any:
            asked = m.FetchRequest(
                max_wait_ms=100,
                min_bytes=1,
                max_bytes=50_000_000,
                session_epoch=epoch,
                session_id=session_id,
                topics=[
                    m.FetchRequestFetchTopic(
                        topic=topic,
                        partitions=[
                            m.FetchRequestFetchPartition(
                                partition=0, fetch_offset=0, partition_max_bytes=50_000_000
                            )
                        ],
                    )
                ],
            )
            answer = as_client(side, name, ApiKey.FETCH, 12, asked)
            batches = [
                side.plain_batches(bytes(partition.records))
                for each in answer.responses
                for partition in each.partitions
            ]
            return bool(answer.throttle_time_ms), answer.session_id, [len(each) for each in batches]

        produced = [roughly(produce()) for _ in range(4)]
        whole, empty = fetch(-1), fetch(0)
        return produced, whole, empty

    produced, whole, empty = sides.compare(scenario)
    assert produced == [0, 0, 0, "less than a second"]
    assert whole == (False, 0, [1])
    assert empty == (True, 0, [])


def roughly(time_ms: int) -> int | str:
    return time_ms if not 0 < time_ms < 1000 else "less than a second"
