"""The page that asks topics by SQL."""

from __future__ import annotations

from fakebus.app import FakeBus
from tests.unit.web.console.pages import Browser, Page


def ask(browser: Browser, query: str) -> Page:
    return browser.send(browser.get("/ui/sql").form("/ui/sql"), query=query)


def test_a_query_is_answered_by_a_table(browser: Browser, topic: str) -> None:
    page = ask(browser, f"select count(*) as n, '<b>' as x from \"{topic}\"")  # noqa: S608
    assert page.status == 200
    assert "1 row, of 0 records n x 0 <b>" in page.text
    assert ask(browser, "from range(501)").text.count("the first ones") == 1
    assert "No row answers this." in ask(browser, f'from "{topic}"').text


def test_what_is_wrong_is_told_beside_the_query(browser: Browser) -> None:
    page = ask(browser, "selec 1")
    assert page.status == 400
    assert "syntax error" in page.text
    assert "there is no topic 'nowhere'" in ask(browser, "from nowhere").text


def test_an_address_fills_the_form_and_asks_nothing(
    bus: FakeBus, browser: Browser, topic: str
) -> None:
    page = browser.get("/ui/sql")
    assert topic in page.text
    page = browser.get("/ui/sql?query=from+nowhere")
    assert "there is no topic" not in page.text
    assert page.form("/ui/sql").fields["query"].strip() == "from nowhere"
