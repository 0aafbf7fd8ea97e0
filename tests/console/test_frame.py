"""The frame of all pages in a real browser."""

from __future__ import annotations

from collections.abc import Sequence

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect


def assert_accessible(page: Page, rules: Sequence[str] = ()) -> None:
    """Fail for everything serious that axe-core finds, by some rules or by all."""
    found = Axe().run(page, options={"runOnly": list(rules)} if rules else None)
    serious = [each for each in found.response["violations"] if each["impact"] != "minor"]
    told = [(each["id"], [node["html"] for node in each["nodes"]][:5]) for each in serious]
    assert told == []


def assert_fits(page: Page) -> None:
    """Fail if a page is not accessible, in light or dark, or wider than a narrow screen."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.emulate_media(color_scheme="light")
    assert_accessible(page)
    page.emulate_media(color_scheme="dark")
    # Nothing else is different.
    assert_accessible(page, ["color-contrast"])
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


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
