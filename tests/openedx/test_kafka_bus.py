"""edx-event-bus-kafka as it is: real settings, real commands, real processes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.openedx.conftest import Site, catalogue, wait_until

pytestmark = [
    pytest.mark.clients,
    pytest.mark.timeout(200),
]

SHIPPED = Path(__file__).parents[2] / "fixtures"
MakeSite = Callable[..., Site]


def create_topics(site: Site, names: list[str]) -> None:
    # As a devstack does: a consumer that finds no topic gives up.
    admin = AdminClient({"bootstrap.servers": site.bus.bootstrap_servers})
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        future.result(60)


def test_every_signal_arrives_as_it_was_sent(make_site: MakeSite) -> None:
    site = make_site()
    topics = sorted({each.topic for each in catalogue()})
    create_topics(site, [f"dev-{topic}" for topic in topics])
    site.start("consume-all", "all", *topics, received="all")
    site.wait_members("all", len(topics))
    sent = json.loads(site.start("send-all").output())
    received = site.wait_received("all", len(sent))
    for each in received:
        del each["pid"]
    assert {each["event_type"] for each in sent} == {each.event_type for each in catalogue()}

    def in_order(events: list[dict[str, object]]) -> list[str]:
        return sorted(json.dumps(each, sort_keys=True) for each in events)

    assert in_order(received) == in_order(sent)


def test_a_consumer_goes_on_where_it_stopped_and_replays_on_request(make_site: MakeSite) -> None:
    site = make_site()
    create_topics(site, ["dev-user-login"])
    consumer = site.start("consume_events", "-t", "user-login", "-g", "g", received="r")
    site.wait_members("g", 1)
    site.produce(username="one")
    site.wait_received("r", 1)
    began = datetime.now(UTC)
    site.produce(username="two")
    site.wait_received("r", 2)
    committed = site.bus.broker.group_coordinator
    wait_until(lambda: 2 in {row.offset for row in committed.offsets("g").values()}, "the commit")
    consumer.stop()
    site.produce(username="three")
    restarted = site.start("consume_events", "-t", "user-login", "-g", "g", received="r")
    site.wait_received("r", 3)
    assert site.users("r") == ["one", "two", "three"]
    wait_until(lambda: 3 in {row.offset for row in committed.offsets("g").values()}, "the commit")
    restarted.stop()

    extra = json.dumps({"offset_time": began.isoformat()})
    replay = site.start("consume_events", "-t", "user-login", "-g", "g", "--extra", extra)
    wait_until(lambda: 1 in {row.offset for row in committed.offsets("g").values()}, "the reset")
    replay.stop(signal.SIGKILL)
    site.start("consume_events", "-t", "user-login", "-g", "g", received="again")
    site.wait_received("again", 2)
    assert site.users("again") == ["two", "three"]


def test_a_killed_consumers_successor_does_not_wait_for_its_session(make_site: MakeSite) -> None:
    site = make_site()
    create_topics(site, ["dev-user-login"])
    first = site.start("consume_events", "-t", "user-login", "-g", "g", received="first")
    site.wait_members("g", 1)
    site.produce(username="one")
    site.wait_received("first", 1)
    committed = site.bus.broker.group_coordinator
    wait_until(lambda: 1 in {row.offset for row in committed.offsets("g").values()}, "the commit")
    first.stop(signal.SIGKILL)
    site.produce(username="two")
    # Without the eviction it would wait for the dead member's session, 45 seconds.
    site.start("consume_events", "-t", "user-login", "-g", "g", received="second")
    site.wait_members("g", 1)
    joined = time.monotonic()
    site.wait_received("second", 1)
    assert time.monotonic() - joined < 30
    assert site.users("second") == ["two"]


def test_a_new_group_sees_the_seed_when_the_fixtures_say_so(make_site: MakeSite) -> None:
    site = make_site(fixtures=(SHIPPED,))
    # The set is of the newest version, whose schemas an older service reads as far as it can.
    topic = "learning-program-certificate-lifecycle"
    log = site.bus.broker.topics.get(f"dev-{topic}")
    assert log is not None
    seeded = log.partitions[0].high_watermark
    assert seeded == 6
    site.start("consume_events", "-t", topic, "-g", "dev-lms", received="seeded")
    received = site.wait_received("seeded", seeded)
    assert [each["event_type"].rsplit(".", 2)[-2] for each in received] == [
        *("awarded", "awarded", "awarded", "revoked", "revoked", "revoked")
    ]
    site.start("consume_events", "-t", topic, "-g", "another", received="other")
    site.wait_members("another", 1)
    assert site.received("other") == []
