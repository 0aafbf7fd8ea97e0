"""Groups: their lag, and a reset with its preview."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.unit.web.console.pages import Browser, Form

HOSTILE = "../<script>alert(1)</script>\u202e&name=\"'"


@pytest.fixture
def group(browser: Browser, topic: str) -> str:
    """A group that has read one of four records of a partition."""
    for number in range(4):
        browser.write(topic, number, partition=0)
    name = f"{topic}-group"
    commit(browser, name, topic, 1)
    return name


def commit(browser: Browser, group: str, topic: str, offset: int) -> None:
    """Commit an offset of the first partition, as the form of a preview does."""
    form = browser.get("/ui/topics").form("/ui/topics")
    fields = {"token": form.fields["token"], "name": group, "move": f"{topic}-0@{offset}"}
    assert browser.send(Form("/ui/group/reset", "post", fields)).status == 200


def test_groups_are_listed_with_their_lag(browser: Browser, group: str, topic: str) -> None:
    page = browser.get(f"/ui/groups?q={group}")
    told = rf"{group} empty: not read yet why\? 0 3 [\d.]+ m?s {topic}"
    assert re.search(told, page.text), page.text
    page = browser.get(f"/ui/group?name={group}")
    assert "3 records, the first of them" in page.text
    assert f"{topic}[0] 1 4 3" in page.text


@pytest.mark.parametrize(
    ("to", "offset", "told"),
    [
        ("earliest", 0, "reads 1 again, 4 to read"),
        ("latest", 4, "passes over 3, 0 to read"),
        ("2", 2, "passes over 1, 2 to read"),
        ("-1", 3, "passes over 2, 1 to read"),
        ("-1h", 0, "reads 1 again"),
        ("1", 1, "stays, 3 to read"),
    ],
)
def test_a_reset_is_previewed_and_made(
    browser: Browser, group: str, topic: str, to: str, offset: int, told: str
) -> None:
    page = browser.get(f"/ui/group?name={group}&to={to}")
    assert told in page.text
    assert f"{topic}[0] 1 4 3" in page.text, "nothing has been moved yet"
    page = browser.send(page.form("/ui/group/reset"))
    assert "The group has been moved" in page.text
    assert f"{topic}[0] {offset} 4 {4 - offset}" in page.text


def test_what_is_no_position_is_told(browser: Browser, group: str) -> None:
    page = browser.get(f"/ui/group?name={group}&to=sometime")
    assert (page.status, "'sometime' is not a position" in page.text) == (400, True)


def test_a_group_is_deleted_when_its_name_is_typed(browser: Browser, group: str) -> None:
    form = browser.get(f"/ui/group?name={group}").form("/ui/group/delete")
    assert browser.send(form).status == 400
    assert f"The group {group} has been deleted" in browser.send(form, confirm=group).text
    page = browser.get(f"/ui/group?name={group}")
    assert (page.status, "there is no group" in page.text) == (404, True)


@pytest.mark.parametrize("name", [HOSTILE, ".", "..", "a/b", " "])
def test_groups_have_any_names(browser: Browser, topic: str, name: str) -> None:
    commit(browser, name, topic, 0)
    page = browser.get("/ui/groups")
    assert page.runs_own_scripts_only
    for link in page.links:
        if link.startswith("/ui/group?"):
            assert browser.get(link).status == 200
    form = browser.get(f"/ui/group?name={quote(name, safe='')}").form("/ui/group/delete")
    assert form.fields["name"] == name
    assert browser.send(form, confirm=name).status == 200


@pytest.mark.parametrize("offset", ["\u00b2", "9" * 19, "9" * 5000])
def test_a_form_that_moves_to_no_offset_is_refused(
    browser: Browser, topic: str, offset: str
) -> None:
    token = browser.get("/ui/topics").form("/ui/topics").fields["token"]
    fields = {"token": token, "name": "g", "move": f"{topic}-0@{offset}"}
    page = browser.send(Form("/ui/group/reset", "post", fields))
    assert (page.status, "the form is broken" in page.text) == (400, True)
