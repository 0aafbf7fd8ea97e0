"""pytest fixtures: a seeded bus, and Debian's Chromium that Playwright drives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
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
