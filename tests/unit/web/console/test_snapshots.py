"""Snapshots: taken, compared, gone back to, and forgotten by forms."""

from __future__ import annotations

import pytest

from tests.unit.web.console.pages import Browser, Page


def take(browser: Browser, name: str, **fields: str) -> Page:
    return browser.send(browser.get("/ui/snapshots").form("/ui/snapshots"), name=name, **fields)


def test_a_snapshot_is_taken_compared_and_gone_back_to(browser: Browser, topic: str) -> None:
    browser.write(topic, "before", partition=0)
    page = take(browser, f"at-{topic}")
    assert f"The snapshot at-{topic} has been taken" in page.text
    link = f"/ui/snapshots?before=at-{topic}#difference"
    assert link in page.links
    assert "Nothing." in browser.get(link).text
    browser.write(topic, "<script>later</script>\u202e", partition=0)
    page = browser.get(link)
    assert (page.runs_own_scripts_only, "\u202e" in page.text) == (True, False)
    assert f"{topic}[0]: 1 more, 0 gone" in page.text
    assert "<script>later</script>" in page.text
    form = page.form("/ui/snapshots/restore")
    assert browser.send(form, name=f"at-{topic}", confirm="other").status == 400
    assert "1 more, 0 gone" in browser.get(link).text, "nothing was done"
    page = browser.send(form, name=f"at-{topic}", confirm=f"at-{topic}")
    assert f"Everything is as it was at at-{topic}" in page.text
    assert "Nothing." in browser.get(link).text


def test_an_older_snapshot_is_replaced_only_when_told(browser: Browser, topic: str) -> None:
    assert take(browser, topic).status == 200
    page = take(browser, topic)
    assert (page.status, "tick that it may be replaced" in page.text) == (400, True)
    assert take(browser, topic, replace="1").status == 200


def test_a_snapshot_is_forgotten(browser: Browser, topic: str) -> None:
    form = take(browser, topic).form("/ui/snapshots/delete")
    assert browser.send(form, name=topic).status == 400
    page = browser.send(form, name=topic, confirm=topic)
    assert f"The snapshot {topic} is forgotten" in page.text
    assert browser.get(f"/ui/snapshots?before={topic}").status == 404


@pytest.mark.parametrize("name", ["", "../x", "<b>", "x" * 300])
def test_a_snapshot_has_a_name_that_can_be_written(browser: Browser, name: str) -> None:
    page = take(browser, name)
    assert (page.status, page.runs_own_scripts_only) == (400, True)
