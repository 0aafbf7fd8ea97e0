"""Topics and groups as they were at a time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.unit.web.console.pages import Browser
from tests.unit.web.console.test_groups import commit


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def moment() -> str:
    """Return a time that is later than all that was, and earlier than all that comes."""
    for before in (now_ms(), now_ms() + 1):
        while now_ms() <= before:
            pass
    then = datetime.fromtimestamp(before / 1000, UTC)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def then(browser: Browser, topic: str) -> str:
    """A time at which a topic had three records and a group had read one; later it has read two."""
    for number in range(3):
        browser.write(topic, number, partition=0)
    commit(browser, f"{topic}-group", topic, 1)
    found = moment()
    browser.write(topic, 3, partition=0)
    commit(browser, f"{topic}-group", topic, 2)
    return found


def test_a_group_is_shown_as_it_was(browser: Browser, topic: str, then: str) -> None:
    group = f"{topic}-group"
    now = browser.get(f"/ui/group?name={group}")
    assert f"{topic}[0] 2 4 2" in now.text
    page = browser.get(f"/ui/group?name={group}&as_of={then}")
    assert f"{topic}[0] 1 {then[:10]}" in page.text
    assert "3 2 2" in page.text, "the end then, the lag then, and what is committed now"
    assert [form.action for form in page.forms if form.method == "post"] == []
    before = browser.get(f"/ui/group?name={group}&as_of=-1h")
    assert f"{topic}[0] \u2013 0 \u2013 2" in before.text
    listed = browser.get(f"/ui/groups?q={group}&as_of={then}")
    assert f"{group} 0 2 0 2" in listed.text


def test_topics_are_shown_as_they_were(browser: Browser, topic: str, then: str) -> None:
    page = browser.get(f"/ui/topics?q={topic}&as_of={then}")
    assert "Records then Records" in page.text
    assert f"{topic} 2 3 4" in page.text
    assert any("as_of=" in link for link in page.links if link.startswith(f"/ui/topics/{topic}?"))


@pytest.mark.parametrize("page", ["topics", "groups", "group"])
def test_what_is_no_time_is_told(browser: Browser, topic: str, then: str, page: str) -> None:
    found = browser.get(f"/ui/{page}?name={topic}-group&as_of=latest")
    assert (found.status, "'latest' is no time" in found.text) == (400, True)
