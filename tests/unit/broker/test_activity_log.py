"""Debug log of what clients do."""

from __future__ import annotations

import logging

import pytest

from fakebus.broker import activity_log
from fakebus.broker.activity import Activities, Origin
from fakebus.broker.activity_log import ActivityLog
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock

T0 = TopicPartition("t", 0)


SHOP = Origin(front_end="kafka", client_id="shop", connection_id=7)


@pytest.fixture
def activity(caplog: pytest.LogCaptureFixture) -> Activities:
    caplog.set_level(logging.DEBUG, "fakebus.clients")
    found = Activities(ManualClock(0))
    found.on_note = ActivityLog()
    return found


def test_each_thing_that_a_client_does_is_one_line(
    activity: Activities, caplog: pytest.LogCaptureFixture
) -> None:
    activity.note("connects", SHOP, detail="librdkafka 2.6 from 127.0.0.1")
    activity.note_assignment(SHOP, "g", "m", b"")
    activity.note_committed_offsets(SHOP, "g", "t", {0: None})
    activity.note_lookup(SHOP, T0, "latest", 4)
    activity.note_missing_topic(SHOP, "u", created=False)
    activity.note("committed", SHOP, T0, (5, 5), "g")
    assert caplog.messages == [
        "shop (connection 7) connects with librdkafka 2.6 from 127.0.0.1",
        "shop (connection 7) is assigned nothing in group g",
        "shop (connection 7) goes on where group g has committed nothing for t-0",
        "shop (connection 7) is told that the latest offset of t-0 is 4",
        "shop (connection 7) asks for topic u, which was not there",
        "shop (connection 7) commits offset 5 of t-0 for group g",
    ]


def test_what_clients_do_all_the_time_is_told_once(
    activity: Activities, caplog: pytest.LogCaptureFixture
) -> None:
    for offset in range(3):
        for partition in range(2):
            place = TopicPartition("t", partition)
            activity.note("produced", SHOP, place, (offset, offset))
            activity.note("fetched", SHOP, place, (offset, offset))
            activity.note("fetches", SHOP, place, (offset, offset))
    assert [message.partition(") ")[2] for message in caplog.messages] == [
        "produces to t",
        "fetches t-0 from offset 0 on",
        "fetches t-1 from offset 0 on",
    ]


def test_lines_are_limited_to_so_many_a_minute(
    activity: Activities, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_log, "_LINES_A_MINUTE", 5)
    activity.on_note = ActivityLog()
    for offset in range(100):
        activity.note("committed", SHOP, T0, (offset, offset), "g")
    assert len(caplog.messages) == 5
