"""Pages of groups that share records, in a real browser, with librdkafka's share consumer."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import AcknowledgeType, Message, Producer, ShareConsumer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from playwright.sync_api import Page, expect

from fakebus.app import FakeBus
from tests.console.test_frame import assert_fits

TOPIC, GROUP = "console-parcels", "packers"


@pytest.fixture
def holder(bus: FakeBus) -> Iterator[ShareConsumer]:
    """A share consumer that has accepted one of three records, and keeps the others."""
    clients = {"bootstrap.servers": bus.bootstrap_servers}
    producer = Producer(clients)
    for value in (b"one", b"two", b"three"):
        producer.produce(TOPIC, value, partition=0)
    producer.flush(20)
    earliest = ConfigEntry(
        "share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ConfigResource.Type.GROUP, GROUP, incremental_configs=[earliest])
    admin = AdminClient(clients)
    (changed,) = admin.incremental_alter_configs([resource]).values()
    changed.result(20)
    settings = {"group.id": GROUP, "client.id": "packer", "share.acknowledgement.mode": "explicit"}
    with ShareConsumer(clients | settings) as consumer:
        consumer.subscribe([TOPIC])
        got: list[Message] = []
        until = time.monotonic() + 20
        while len(got) < 3 and time.monotonic() < until:
            got += consumer.poll(0.2)
        assert [each.value() for each in got] == [b"one", b"two", b"three"]
        consumer.acknowledge(got[1], AcknowledgeType.ACCEPT)
        assert not any(consumer.commit_sync(10).values())
        yield consumer
        for message in (got[0], got[2]):
            consumer.acknowledge(message, AcknowledgeType.ACCEPT)
        consumer.commit_sync(10)


def test_a_share_group_tells_who_has_which_record(page: Page, holder: ShareConsumer) -> None:
    page.goto("/ui/groups?q=packers")
    page.get_by_role("link", name=GROUP, exact=True).click()
    runs = page.locator("#runs tbody tr")
    expect(runs).to_have_count(3)
    expect(runs.nth(0)).to_contain_text("acquired")
    expect(runs.nth(0)).to_contain_text("packer")
    expect(runs.nth(1)).to_contain_text("acknowledged")
    assert_fits(page)
    runs.nth(1).get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{TOPIC}[0]@1")
    expect(page.locator("#groups")).to_contain_text("acknowledged")
