"""Records that are written once more by a form."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.unit.web.console.pages import Browser, Form

HOSTILE = "<script>alert(1)</script>\u202e&\"'"


def test_the_records_that_a_page_shows_are_written_once_more(browser: Browser, topic: str) -> None:
    for number in range(4):
        browser.write(topic, {"n": number}, partition=0)
    page = browser.get(f"/ui/topics/{topic}?filter=value.n+>+0&limit=3")
    (link,) = [each for each in page.links if each.startswith("/ui/replay")]
    preview = browser.get(link)
    assert f"{topic}[0]@1..3" in preview.text
    assert "3 records, of 3 that were looked at" in preview.text
    assert f"{topic}[0]@4" not in browser.get(f"/ui/topics/{topic}").text, "nothing is written yet"
    page = browser.send(preview.form("/ui/replay"))
    assert "3 of the records have been written once more." in page.text
    page = browser.get(f"/ui/topics/{topic}/0/4")
    assert f"replayed from {topic}[0]@1 by console" in page.text
    assert f"fakebus-replay-of {topic}[0]@1" in page.text
    assert "Origin produced" not in page.text
    assert "Origin by HTTP" in browser.get(f"/ui/topics/{topic}/0/0").text


def test_what_came_between_two_snapshots_is_written_once_more(browser: Browser, topic: str) -> None:
    for name, value in (("before", 1), ("after", 2)):
        browser.write(topic, value, partition=0)
        form = browser.get("/ui/snapshots").form("/ui/snapshots")
        assert browser.send(form, name=f"{name}-{topic}").status == 200
    before, after = f"before-{topic}", f"after-{topic}"
    page = browser.get(f"/ui/snapshots?before={before}&after={after}")
    assert f"/ui/replay?since={before}&until={after}" in page.links
    back = page.form("/ui/snapshots/restore")
    assert browser.send(back, name=before, confirm=before).status == 200
    preview = browser.get(f"/ui/replay?since={before}&until={after}&headers=keep")
    page = browser.send(preview.form("/ui/replay"))
    assert "1 of the records have been written once more." in page.text
    assert f"from snapshot {after}: {topic}[0]@1" in browser.get(f"/ui/topics/{topic}/0/1").text


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("range=a+[", 400, "is no range of records"),
        ("range=TOPIC&headers=x", 400, "Headers are one of new, keep, none"),
        ("range=TOPIC&to=_schemas", 400, "is an internal topic"),
        ("range=TOPIC&filter=(", 400, "Filter, column 2"),
        ("range=nowhere", 404, "there is no topic 'nowhere'"),
        ("since=nothing", 404, "there is no snapshot 'nothing'"),
        ("range=TOPIC[0]@5..9", 200, "No record is like that: nothing would be written"),
        ("", 200, "Name records, and see what would be written"),
    ],
)
def test_what_cannot_be_replayed_is_said_so(
    browser: Browser, topic: str, query: str, status: int, told: str
) -> None:
    browser.write(topic, 1, partition=0)
    page = browser.get(f"/ui/replay?{query.replace('TOPIC', topic)}")
    assert (page.status, told in page.text) == (status, True), page.text


def test_a_hostile_request_is_inert(browser: Browser) -> None:
    query = urlencode(dict.fromkeys(("range", "filter", "to"), HOSTILE))
    page = browser.get(f"/ui/replay?{query}")
    assert page.status == 400
    assert page.runs_own_scripts_only
    assert not any(name.startswith("on") for name in page.attributes)


def test_another_site_cannot_replay(browser: Browser, topic: str) -> None:
    forged = Form("/ui/replay", "post", {"range": topic})
    assert browser.send(forged, token="0" * 64).status == 403
