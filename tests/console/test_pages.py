"""Pages of a seeded bus in a real browser: what scripts do, in both colours and at 320 px."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from fakebus.app import FakeBus
from tests.console.test_frame import assert_fits

TOPIC = "dev-learning-badges-lifecycle"
PAGES = (
    *("/ui/topics", f"/ui/topics/{TOPIC}", f"/ui/topics/{TOPIC}?text=a"),
    *(f"/ui/topics/{TOPIC}/{part}" for part in ("live", "produce", "settings", "0/0")),
    f"/ui/topics/{TOPIC}/0/0/again",
    *("/ui/groups", "/ui/schemas?q=badges", "/ui/brokers", "/ui/search?q=badges"),
)


def write(bus: FakeBus, value: object) -> None:
    event = {"topic": TOPIC, "value": value, "partition": 0}
    answer = requests.post(f"{bus.http_url}/_fakebus/v1/records", json=event, timeout=10)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_accessible_and_fit_a_narrow_screen(page: Page, path: str) -> None:
    page.goto(path)
    assert_fits(page)


@pytest.fixture
def plain_page(chromium: Browser, bus: FakeBus) -> Iterator[Page]:
    """A page of a browser whose JavaScript is off."""
    context = chromium.new_context(base_url=bus.http_url, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_records_are_browsed_without_javascript(plain_page: Page) -> None:
    plain_page.goto(f"/ui/topics/{TOPIC}?limit=5")
    rows = plain_page.locator("#records tbody tr")
    expect(rows).to_have_count(5)
    plain_page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(5)
    plain_page.get_by_label("Contains").fill("nothing has this")
    plain_page.get_by_role("button", name="Show").click()
    expect(rows).to_have_count(0)


def test_a_record_is_written_by_keyboard_alone(page: Page) -> None:
    page.goto(f"/ui/topics/{TOPIC}/produce")
    page.get_by_label("Value", exact=True).focus()
    page.keyboard.type("by hand")
    page.keyboard.press("Tab")
    page.keyboard.type("text")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text(re.compile("has been written"))


def test_live_records_are_shown_held_back_and_inert(page: Page, bus: FakeBus) -> None:
    page.goto(f"/ui/topics/{TOPIC}/live")
    expect(page.get_by_role("button", name="Pause")).to_be_enabled()
    write(bus, "<img src=x onerror=alert(1)>\u202e")
    rows = page.locator("#records tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("<img src=x onerror=alert(1)>\\u202e")
    page.get_by_role("button", name="Pause").click()
    write(bus, "held back")
    expect(page.get_by_text("1 wait")).to_be_visible()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Go on").click()
    expect(rows.first).to_contain_text("held back")
    expect(page.get_by_text("1 wait")).to_have_count(0)


def test_a_search_goes_on_by_itself_and_tells_when_it_is_done(page: Page) -> None:
    page.goto("/ui/search?q=org.openedx&look=3")
    expect(page.locator("#progress")).to_contain_text(
        re.compile("that is all|the newest of them are shown")
    )
    assert page.locator("#records tbody tr").count() > 3


def test_the_timeline_is_legible_on_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"/ui/topics/{TOPIC}")
    drawing = page.locator("svg.timeline").bounding_box()
    assert drawing is not None
    assert drawing["height"] > 60
    # Letters would become as small as the drawing does.
    expect(page.locator("svg.timeline text")).to_have_count(0)
    for end in page.locator(".ends span").all():
        box = end.bounding_box()
        assert box is not None
        assert box["height"] > 12
        assert box["x"] + box["width"] <= 320
