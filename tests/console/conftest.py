"""pytest fixtures: a seeded bus, and Debian's Chromium that Playwright drives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings

ROOT = Path(__file__).parents[2]
ANYWHERE = Address("127.0.0.1", 0)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; each test has pages of its own."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found is not None, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        # A container has no user namespaces to make a sandbox of.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def bus() -> Iterator[FakeBus]:
    """A bus seeded with the fixtures of the checkout."""
    settings = Settings(
        data=None,
        kafka=(ANYWHERE,),
        http=(ANYWHERE,),
        fixtures=(ROOT / "fixtures",),
    )
    with FakeBus.thread(settings) as running:
        yield running


@pytest.fixture
def context(chromium: Browser, bus: FakeBus) -> Iterator[BrowserContext]:
    """A browser that must not be told of anything wrong, nor load anything from elsewhere."""
    context = chromium.new_context(base_url=bus.http_url, viewport={"width": 1280, "height": 900})
    complaints: list[str] = []

    def listen(page: Page) -> None:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda told: complaints.append(told.text) if told.type == "error" else None,
        )
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(bus.http_url) else complaints.append(request.url)
            ),
        )

    context.on("page", listen)
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of the browser."""
    return context.new_page()


@pytest.fixture(scope="session")
def shop(bus: FakeBus) -> str:
    """An order that services have passed along, by clients of others; one does not come."""
    # In a process of its own: what other tests have in their hands is no cause of an order.
    with get_context("spawn").Pool(1) as process:
        return process.apply(pass_an_order_along, (bus.bootstrap_servers,))


def pass_an_order_along(bootstrap_servers: str) -> str:
    """Sell, bill and mail an order, and return where it is."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "client.id": "shop"})
    producer.produce("console-orders", b'{"order": 1}', key=b"1")
    producer.flush(10)
    settings = {
        "bootstrap.servers": bootstrap_servers,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    billing = Consumer({**settings, "group.id": "billing", "client.id": "billing"})
    invoices = Producer({"bootstrap.servers": bootstrap_servers, "client.id": "billing"})
    billing.subscribe(["console-orders"])
    order = billing.poll(20)
    assert order is not None
    invoices.produce("console-invoices", b'{"invoice": 1}', key=b"1")
    invoices.flush(10)
    billing.commit(message=order, asynchronous=False)
    billing.close()
    mail = Consumer({**settings, "group.id": "mail", "client.id": "mail"})
    mail.subscribe(["console-invoices"])
    assert mail.poll(20) is not None
    mail.close()
    late = Consumer({**settings, "group.id": "late", "client.id": "late"})
    late.commit(offsets=[TopicPartition("console-orders", 0, 0)], asynchronous=False)
    late.close()
    return f"console-orders[{order.partition()}]@{order.offset()}"
