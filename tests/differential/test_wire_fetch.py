"""Fetch beside a real Kafka: what is read, what is refused, and what sessions leave out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteTopicsRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
    FetchRequestForgottenTopic,
)
from fakebus.types import ZERO_UUID
from tests.differential.fetch_cases import fetch, fetch_topics, wanted
from tests.differential.offset_cases import delete_records
from tests.differential.produce_cases import batch, produce
from tests.differential.sides import Side, Sides, attempts

pytestmark = pytest.mark.kafka

VERSIONS = range(4, 19)
UNKNOWN_ID = UUID("c0ffee00-0000-4000-8000-000000000001")


def filled(side: Side, batches: int = 3, partitions: int = 1, size: int = 100) -> str:
    """Return a topic with batches of two records in each partition."""
    topic = side.new_topic(partitions)
    for _ in range(batches):
        produce(side, topic, *(batch(b"x" * size, b"y") for _ in range(partitions)))
    return topic


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_answers_alike(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side)
        return [fetch(side, topic, offset, version=version) for offset in (0, 1, 2, 5, 6, 7, -1)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 3, 19])
def test_versions_that_are_not_served(sides: Sides, version: int) -> None:
    frame = b"\0\0\0\x20" + b"\0\1" + version.to_bytes(2, "big") + b"\0\0\0\1\xff\xff" + b"\0" * 22
    sides.compare(lambda side: side.ask_bytes(frame))


@pytest.mark.parametrize("isolation_level", [-1, 0, 1, 2])
@pytest.mark.parametrize("version", [4, 11, 12, 18])
def test_isolation_levels(sides: Sides, isolation_level: int, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side)
        return [
            fetch(side, topic, offset, version=version, isolation_level=isolation_level)
            for offset in (0, 6, 9)
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("epoch", [-2, -1, 0, 1, 7])
@pytest.mark.parametrize("version", [9, 11, 12, 13, 18])
def test_leader_epochs_are_checked(sides: Sides, epoch: int, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side)
        return [
            fetch(side, topic, offset, version=version, current_leader_epoch=epoch)
            for offset in (0, 99)
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("epoch", [-1, 0, 1, 7])
@pytest.mark.parametrize("offset", [0, 3, 6, 7])
@pytest.mark.parametrize("version", [12, 13, 18])
def test_the_epoch_of_the_last_record_fetched(
    sides: Sides, epoch: int, offset: int, version: int
) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side)
        return fetch(
            side,
            topic,
            offset,
            version=version,
            last_fetched_epoch=epoch,
            current_leader_epoch=0,
        )

    sides.compare(scenario)


@pytest.mark.parametrize("version", [4, 6, 12])
@pytest.mark.parametrize("name", ["unknown-topic", "", "bad name", "a" * 250])
def test_topics_that_do_not_exist(sides: Sides, version: int, name: str) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        nowhere = FetchRequestFetchTopic(
            topic=name, partitions=[FetchRequestFetchPartition(fetch_offset=0)]
        )
        return fetch_topics(side, [nowhere, wanted(side, topic, 0)], version)

    sides.compare(scenario)


@pytest.mark.parametrize("version", [4, 12, 13, 18])
@pytest.mark.parametrize("partition", [-1, 1, 99])
def test_partitions_that_do_not_exist(sides: Sides, version: int, partition: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        asked = wanted(side, topic, 0, 0, version=version)
        asked.partitions[1].partition = partition
        return fetch_topics(side, [asked], version)

    sides.compare(scenario)


@pytest.mark.parametrize("version", [13, 16, 18])
@pytest.mark.parametrize("topic_id", [UNKNOWN_ID, ZERO_UUID])
@pytest.mark.parametrize("session_epoch", [-1, 0])
def test_topic_ids_that_do_not_exist(
    sides: Sides, version: int, topic_id: UUID, session_epoch: int
) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        nowhere = FetchRequestFetchTopic(
            topic_id=topic_id, partitions=[FetchRequestFetchPartition(fetch_offset=0)]
        )
        asked = [nowhere, wanted(side, topic, 0, version=version)]
        return fetch_topics(side, asked, version, session_epoch=session_epoch)

    sides.compare(scenario)


@pytest.mark.parametrize("max_bytes", [-1, 0, 1, 10, 100, 168, 169, 170, 337, 338, 339, 10_000])
@pytest.mark.parametrize("limit", ["max_bytes", "partition_max_bytes"])
@pytest.mark.parametrize("version", [4, 12])
def test_limits_in_bytes(sides: Sides, max_bytes: int, limit: str, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 3, 3)
        return fetch(side, topic, 6, 0, 2, version=version, **{limit: max_bytes})

    sides.compare(scenario)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("max_bytes", [1, 200, 500])
def test_partitions_are_served_in_the_order_of_the_request(
    sides: Sides, order: tuple[int, ...], max_bytes: int
) -> None:
    def scenario(side: Side) -> Any:
        asked = wanted(side, filled(side, 2, 3), 0, 0, 0)
        asked.partitions = [asked.partitions[index] for index in order]
        return fetch_topics(side, [asked], max_bytes=max_bytes)

    sides.compare(scenario)


@pytest.mark.parametrize("size", [5_000, 200_000])
def test_the_first_batch_comes_whole(sides: Sides, size: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 2, 2, size)
        return fetch(side, topic, 0, 1, max_bytes=1000, partition_max_bytes=100)

    sides.compare(scenario)


@pytest.mark.parametrize("version", [4, 7, 12, 13])
def test_nothing_is_asked_for(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        return [
            fetch_topics(side, [], version, session_epoch=epoch, max_wait_ms=10, min_bytes=1)
            for epoch in ((-1, 0) if version >= 7 else (-1,))
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [4, 12, 13])
def test_a_partition_named_twice(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        asked = wanted(side, filled(side), 0, 2, version=version)
        asked.partitions[1].partition = 0
        return fetch_topics(side, [asked], version)

    sides.compare(scenario)


def test_after_records_were_deleted(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side)
        delete_records(side, topic, 3)
        return [fetch(side, topic, offset, version=12) for offset in range(8)]

    sides.compare(scenario)


def test_a_deleted_topic_by_id(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side)
        asked = wanted(side, topic, 0, version=13)
        request = DeleteTopicsRequest(topic_names=[topic], timeout_ms=5000)
        side.call(ApiKey.DELETE_TOPICS, 3, request)
        for _ in attempts():
            answer = fetch_topics(side, [asked], 13)
            # The broker hears of it from the controller a little later.
            if not answer["responses"][0]["partitions"][0]["records"]:
                break
        return fetch_topics(side, [asked], 13)

    sides.compare(scenario)


@pytest.mark.parametrize("version", [11, 12, 13, 18])
def test_a_topic_that_goes_and_is_made_anew_under_a_session(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic, epochs = filled(side), itertools.count(1)
        session = Session(side, version)
        opened = session.step(0, session.want(topic, 1))

        def heard(done: Callable[[Any], bool]) -> Any:
            # The broker hears of it from the controller a little later.
            for _ in attempts():
                answer = session.step(next(epochs))
                partitions = [each for row in answer["responses"] for each in row["partitions"]]
                if partitions and done(partitions[0]):
                    return answer
            raise AssertionError(answer)

        request = DeleteTopicsRequest(topic_names=[topic], timeout_ms=5000)
        side.call(ApiKey.DELETE_TOPICS, 3, request)
        gone = heard(lambda partition: partition["error_code"] != 0)
        side.create_topic(topic)
        produce(side, topic, batch(b"new", b"newer"))
        return [opened, gone, heard(lambda partition: partition["error_code"] != 3)]

    sides.compare(scenario)


class Session:
    """Steps of a fetch session; the id comes from the first answer."""

    def __init__(self, side: Side, version: int) -> None:
        self.side, self.version = side, version
        self.session_id = 0

    def step(self, epoch: int, *topics: Any, forget: Any = (), session_id: Any = None) -> Any:
        from fakebus.protocol.messages import FetchRequest

        request = FetchRequest(
            topics=list(topics),
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=1_000_000,
            session_id=self.session_id if session_id is None else session_id,
            session_epoch=epoch,
            forgotten_topics_data=[self._forgotten(topic, *numbers) for topic, *numbers in forget],
        )
        answer = self.side.call(ApiKey.FETCH, self.version, request)
        if epoch == 0:
            self.session_id = answer.session_id
        return self.side.plain(answer)

    def _forgotten(self, topic: str, *partitions: int) -> FetchRequestForgottenTopic:
        if self.version >= 13:
            return FetchRequestForgottenTopic(
                topic_id=self.side.topic_id(topic), partitions=list(partitions)
            )
        return FetchRequestForgottenTopic(topic=topic, partitions=list(partitions))

    def want(self, topic: str, *offsets: int, **fields: Any) -> Any:
        return wanted(self.side, topic, *offsets, version=self.version, **fields)


SESSION_VERSIONS = [7, 11, 12, 13, 18]


@pytest.mark.parametrize("version", SESSION_VERSIONS)
def test_a_session_tells_only_what_changed(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1, 3)
        session = Session(side, version)
        return [
            session.step(0, session.want(topic, 2, 2, 2)),
            session.step(1),
            produce(side, topic, batch(b"new")),
            session.step(2),
            session.step(3),
            session.step(4, session.want(topic, 3)),
            delete_records(side, topic, 1),
            session.step(5),
            session.step(6),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", SESSION_VERSIONS)
def test_a_session_forgets_and_takes_on(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic, other = filled(side, 1, 3), filled(side, 2, 2)
        session = Session(side, version)
        return [
            session.step(0, session.want(topic, 0, 2)),
            session.step(1, forget=[(topic, 0)]),
            session.step(2, session.want(other, 0, 1)),
            session.step(3, session.want(topic, 0), forget=[(topic, 0, 2), (other, 0)]),
            session.step(4, forget=[(other, 1), (topic, 0)]),
            session.step(5, forget=[(topic, 1)]),
            session.step(6),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", SESSION_VERSIONS)
@pytest.mark.parametrize("epoch", [-2, 0, 2, 5, 2**31 - 1])
def test_a_wrong_session_epoch(sides: Sides, version: int, epoch: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        session = Session(side, version)
        return [
            session.step(0, session.want(topic, 0)),
            session.step(epoch),
            session.step(1),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", SESSION_VERSIONS)
@pytest.mark.parametrize("epoch", [-2, -1, 0, 1, 7])
@pytest.mark.parametrize("session_id", [-1, 0, 12345])
def test_a_session_that_is_not_known(
    sides: Sides, version: int, epoch: int, session_id: int
) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        session = Session(side, version)
        return session.step(epoch, session.want(topic, 0), session_id=session_id)

    sides.compare(scenario)


@pytest.mark.parametrize("version", SESSION_VERSIONS)
def test_the_end_of_a_session(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        session = Session(side, version)
        return [
            session.step(0, session.want(topic, 0)),
            session.step(-1),
            session.step(1),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("versions", [(12, 13), (13, 12)])
def test_a_session_that_changes_between_names_and_ids(
    sides: Sides, versions: tuple[int, int]
) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        session = Session(side, versions[0])
        first = session.step(0, session.want(topic, 0))
        session.version = versions[1]
        return first, session.step(1, session.want(topic, 1)), session.step(2), session.step(1)

    sides.compare(scenario)


@pytest.mark.parametrize("version", SESSION_VERSIONS)
def test_errors_in_a_session(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1, 2)
        session = Session(side, version)
        asked = session.want(topic, 0, 99, 0)
        return [
            session.step(0, asked),
            session.step(1),
            session.step(2, session.want(topic, 2, 2)),
            session.step(3),
            session.step(4, session.want(topic, 2, 2, current_leader_epoch=5)),
            session.step(5),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [12, 13, 18])
def test_a_session_with_a_topic_that_does_not_exist(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        session = Session(side, version)
        partitions = [FetchRequestFetchPartition(fetch_offset=0, partition_max_bytes=1000)]
        nowhere = (
            FetchRequestFetchTopic(topic_id=UNKNOWN_ID, partitions=partitions)
            if version >= 13
            else FetchRequestFetchTopic(topic="nowhere", partitions=partitions)
        )
        return [
            session.step(0, session.want(topic, 2), nowhere),
            session.step(1),
            session.step(2),
        ]

    sides.compare(scenario)


def test_the_rotation_of_a_session(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 3, 3)
        session = Session(side, 12)
        shown = [session.step(0, session.want(topic, 0, 0, 0, partition_max_bytes=200))]
        for epoch in range(1, 4):
            shown.append(session.step(epoch, session.want(topic, 2 * epoch)))
        return shown

    sides.compare(scenario)


def test_a_replica_id_is_not_for_consumers(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = filled(side, 1)
        return [fetch(side, topic, 0, version=12, replica_id=number) for number in (-1, -2)]

    sides.compare(scenario)
