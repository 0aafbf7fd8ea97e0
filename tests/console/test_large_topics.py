"""A topic of many records: what searching it costs those who write, and how it is stopped."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from benchmarks import console
from benchmarks.peers import Fakebus

_RECORDS = 50_000


@pytest.fixture(scope="module")
def large() -> Iterator[Fakebus]:
    """A bus in a process of its own with a large topic."""
    with Fakebus("--set", f"num.partitions={console.PARTITIONS}") as server:
        console.seed(server.bootstrap_servers, _RECORDS)
        # The first page loads what makes pages.
        console.get(url(server))
        yield server


def url(server: Fakebus, query: str = "") -> str:
    return f"{server.http_url}/ui/topics/{console.TOPIC}{query}"


@pytest.mark.parametrize("name", console.SEARCHES)
def test_acknowledgements_hardly_wait_while_all_is_searched(large: Fakebus, name: str) -> None:
    rss = large.rss_bytes()
    searched = url(large, f"/search?{console.SEARCHES[name]}")
    # Others on the machine make single ratios larger, but none of them smaller.
    ratios = []
    while min(ratios, default=9) > 2 and len(ratios) < 5:
        ratios.append(console.compare(large, searched, 1, 400)[2])
    assert min(ratios) <= 2
    search = console.Search(searched)
    search.run()
    assert search.scanned == _RECORDS
    assert large.rss_bytes() - rss < 16e6


def test_a_search_is_stopped_and_begun_again(large: Fakebus, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(url(large, "?filter=value.customer+%3D+%27nobody%27"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Search again")).to_be_visible()
    told = page.locator("#progress").inner_text()
    assert re.search(r"0 found among [\d,]+", told) or not told
    page.get_by_role("button", name="Search again").click()
    expect(page.locator("#progress")).to_contain_text("that is all", timeout=20_000)
    page.close()


def test_any_place_of_a_large_topic_is_opened_at_once(large: Fakebus) -> None:
    for query in ("", "?order=oldest", f"?from={_RECORDS // 6}", "?from=-1m&order=oldest"):
        assert console.get(url(large, query)) < 1
