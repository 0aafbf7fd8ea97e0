"""What the handle does beyond writing and waiting for single records."""

from __future__ import annotations

import inspect
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from fakebus.cluster.events import Event
from fakebus.testing import AsyncTestBus, NotOnThisCluster, TestBus, running_bus
from fakebus.testing.handle import AsyncTestClock, TestClock
from tests.unit.testing.conftest import MakeConsumer, MakeProducer, deliver, take


def names(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_both_handles_have_the_same_names_and_arguments() -> None:
    assert names(TestBus) - {"aio"} == names(AsyncTestBus)
    assert names(TestClock) == names(AsyncTestClock)
    for name in names(AsyncTestBus):
        ours, theirs = getattr(TestBus, name), getattr(AsyncTestBus, name)
        if callable(ours):
            assert inspect.signature(ours) == inspect.signature(theirs)
            assert ours.__doc__ == theirs.__doc__


def test_the_guide_has_a_row_for_everything_that_a_handle_and_an_event_have() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "pytest.md").read_text()
    handle, event = (
        re.findall(rf"^## {title}$(.*?)^## ", guide, re.DOTALL | re.MULTILINE)[0]
        for title in ("The handle", "Events")
    )

    def named(section: str) -> set[str]:
        cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        return {name for cell in cells for name in re.findall(r"`(\w+)", cell)}

    assert named(handle) == names(TestBus)
    # What decodes them is no matter of tests.
    assert named(event) == names(Event) - {"schemas", "framings", "framed"}


def test_everything_that_was_emitted_comes_in_the_order_of_time(
    bus: TestBus, producer: MakeProducer
) -> None:
    bus.publish("b", {"n": 2}, timestamp_ms=1_600_000_000_000)
    bus.publish("a", {"n": 1}, timestamp_ms=1_500_000_000_000)
    deliver(producer(), "c", "text")
    assert [(e.topic, e.data) for e in bus.emitted()] == [
        ("a", {"n": 1}),
        ("b", {"n": 2}),
        ("c", "text"),
    ]


def test_an_event_is_found_by_its_key_and_headers(bus: TestBus) -> None:
    bus.publish("t", "x", key="one", headers={"ce_type": "paid"})
    bus.publish("t", "x", key="two", headers={"ce_type": "paid"})
    assert bus.expect("t", key="two", headers={"ce_type": "paid"}).offset == 1
    bus.expect_none("t", "x", key="three", within=0)
    with pytest.raises(AssertionError) as caught:
        bus.expect("t", "x", key="three", headers={"ce_type": "open"}, timeout=0)
    report = str(caught.value)
    assert "wanted: 'x' key='three' headers={'ce_type': 'open'}" in report
    assert "key is one, not three" in report
    assert "header ce_type is 'paid', not 'open'" in report


def test_a_waiting_expect_looks_at_each_record_once(bus: TestBus) -> None:
    for number in range(500):
        bus.publish("t", {"n": number})
    seen: list[int] = []

    def is_last(event: Event) -> bool:
        seen.append(event.data["n"])
        return bool(event.data["n"] == -1)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bus.expect, "t", is_last)
        while len(seen) < 500:
            time.sleep(0.001)
        for number in (500, 501, -1):
            bus.publish("t", {"n": number})
        assert waiting.result(60).offset == 502
    assert seen == [*range(502), -1]


def test_a_long_look_lets_others_have_their_turn(bus: TestBus) -> None:
    for number in range(1000):
        bus.publish("t", {"n": number})
    published = 0
    looking = threading.Event()

    def never(event: Event) -> bool:
        looking.set()
        time.sleep(0.0005)
        return False

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bus.expect_none, "t", never, within=0)
        assert looking.wait(60)
        while not waiting.done():
            bus.publish("other", "x")
            published += 1
        waiting.result()
    # In one go the look would take half a second, and nothing else would happen meanwhile.
    assert published >= 3


def test_of_several_matching_events_the_earliest_is_returned(bus: TestBus) -> None:
    for timestamp_ms in (3000, 1000, 2000):
        bus.publish("t", "x", timestamp_ms=timestamp_ms)
    assert bus.expect("t", "x").offset == 1


def test_the_nearest_event_is_shown_first(bus: TestBus) -> None:
    for user in range(9):
        bus.publish("t", {"a": 1 if user == 7 else 0, "b": 0, "user": user})
    with pytest.raises(AssertionError) as caught:
        bus.expect("t", {"a": 1, "b": 1}, timeout=0)
    lines = str(caught.value).splitlines()
    assert '"user": 7' in lines[2]
    assert lines[3].strip() == "value.b is 0, not 1"
    assert lines[-1].strip() == "… and 4 more"


def test_retention_follows_the_clock(bus: TestBus) -> None:
    bus.publish("t", "old")
    bus.clock.advance(6 * 86_400)
    assert len(bus.events("t")) == 1
    assert bus.publish("t", "new").time - datetime.now(UTC) > timedelta(days=5)
    bus.clock.advance(2 * 86_400)
    assert [event.text for event in bus.events("t")] == ["new"]
    bus.clock.set(datetime.now(UTC) + timedelta(days=20))
    assert bus.events("t") == []
    with pytest.raises(ValueError, match="time zone"):
        bus.clock.set(datetime(2030, 1, 1))


def test_the_clock_is_right_again_in_the_next_test(bus: TestBus) -> None:
    assert abs(bus.clock.now() - datetime.now(UTC)) < timedelta(seconds=2)


def test_records_come_through_while_the_time_stands_still(
    bus: TestBus, producer: MakeProducer, consumer: MakeConsumer
) -> None:
    bus.clock.freeze()
    frozen = bus.clock.now()
    member = consumer("g", "t")
    deliver(producer(), "t", "a")
    assert take(member, 1)[0].value() == b"a"
    assert bus.publish("t", "b").time == frozen.replace(
        microsecond=frozen.microsecond // 1000 * 1000
    )
    bus.clock.resume()


def test_a_session_times_out_when_the_clock_is_advanced(
    bus: TestBus, consumer: MakeConsumer
) -> None:
    bus.publish("t", "a")
    silent = consumer("g", "t", heartbeat_interval_ms=20_000)
    take(silent, 1)
    assert bus.lag("g") == {("t", 0): 1}
    bus.clock.freeze()
    bus.clock.advance(29)
    assert bus.lag("g") == {("t", 0): 1}
    bus.clock.advance(2)
    assert bus.lag("g") == {}
    bus.clock.resume()


def test_a_bus_runs_without_pytest() -> None:
    with running_bus(partitions=2, set={"message.max.bytes": "2000"}) as bus:
        assert bus.publish("t", "x", partition=1).offset == 0
        with pytest.raises(Exception, match="2000"):
            bus.publish("t", "x" * 5000)
        assert issubclass(NotOnThisCluster, Exception)


def test_a_timeline_is_short_enough_to_be_read(bus: TestBus) -> None:
    bus.publish("t", "x" * 500, headers={"a": b"\xff", "b": None, "c": "3", "d": "4"})
    line = bus.timeline()
    assert "(500 characters)" in line
    assert "a=b'\\xff'  b=null  c=3  value=" in line
    for _ in range(250):
        bus.publish("t", "y")
    lines = bus.timeline().splitlines()
    assert len(lines) == 201
    assert lines[0] == "… 51 earlier lines"


def test_an_event_is_returned_with_the_time_that_its_topic_has_given_it(bus: TestBus) -> None:
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    topic = NewTopic("stamped", 1, config={"message.timestamp.type": "LogAppendTime"})
    admin.create_topics([topic])["stamped"].result(60)
    bus.clock.freeze()
    event = bus.publish("stamped", "x", timestamp_ms=1000)
    assert event == bus.events("stamped")[0]
    assert event.time.timestamp() == pytest.approx(bus.clock.now().timestamp(), abs=0.01)


def test_a_group_takes_the_records_of_a_partition_in_their_order(bus: TestBus) -> None:
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    admin.create_topics([NewTopic("taken", 2)])["taken"].result(60)
    for partition, text, timestamp_ms in ((0, "b", 3000), (0, "c", 1000), (1, "a", 2000)):
        bus.publish("taken", text, partition=partition, timestamp_ms=timestamp_ms)
    assert [event.text for event in bus.take("taken", "g")] == ["a", "b", "c"]
    assert bus.take("taken", "g") == []


def test_a_timeline_tells_who_has_produced_and_fetched(
    bus: TestBus, producer: MakeProducer, consumer: MakeConsumer
) -> None:
    deliver(producer(), "t", "x")
    bus.publish("t", "y")
    take(consumer("g", "t"), 2)
    lines = bus.timeline().splitlines()
    assert "created, as shop has asked for it" in lines[0]
    assert "produced by shop" in lines[1]
    assert "produced by the test" in lines[2]
    assert any("t[0]@0-1  fetched by g-client" in line for line in lines)
