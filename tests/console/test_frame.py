"""The frame of all pages in a real browser."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect


def assert_accessible(page: Page) -> None:
    """Fail for everything serious that axe-core finds."""
    found = Axe().run(page)
    serious = [each for each in found.response["violations"] if each["impact"] != "minor"]
    told = [(each["id"], [node["html"] for node in each["nodes"]][:5]) for each in serious]
    assert told == []


def test_the_root_leads_to_the_overview(page: Page) -> None:
    page.goto("/")
    expect(page).to_have_url("/ui")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert_accessible(page)


def test_the_first_tab_leads_past_the_navigation(page: Page) -> None:
    page.goto("/ui")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
