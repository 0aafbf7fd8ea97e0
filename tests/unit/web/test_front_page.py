"""The page at the root: who gets it, what it says, and what names of strangers can do to it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from fakebus.web import front_page
from tests.unit.web.http_client import REGISTRY_TYPE, Http

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"' & \u202e/.."


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", REGISTRY_TYPE, "application/json, */*;q=0.1"]
)
def test_registry_clients_get_their_empty_object(http: Http, accept: str) -> None:
    answer = http.get("/", Accept=accept) if accept else http.get("/")
    assert answer.json == {}
    assert answer.headers["Content-Type"].startswith("application/")
    assert answer.headers["Vary"] == "Accept"
    assert http.get("/", Accept="image/png").status == 406


def test_a_browser_sees_what_runs(http: Http, subject: str) -> None:
    http.register(subject, {"type": "string"})
    answer = http.get("/", Accept=BROWSER)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(answer.body.decode())
    assert f"http://{http.authority}" in page.text
    assert "_schemas" in page.text
    assert subject in page.text
    for link in page.links:
        if link.startswith("/"):
            assert http.get(link).status == 200


def test_names_of_strangers_are_text(http: Http) -> None:
    http.register(HOSTILE, {"type": "string"})
    answer = http.get("/", Accept=BROWSER, Host="localhost")
    text = answer.body.decode()
    assert "\u202e" not in text
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert page.attributes <= {"lang", "charset", "name", "content", "class", "href", "rel"}
    assert HOSTILE.replace("\u202e", "\\u202e") in page.text
    (link,) = [link for link in page.links if "script" in link]
    assert http.get(link).status == 200


def test_its_policy_allows_its_own_style_and_nothing_else(http: Http) -> None:
    answer = http.get("/", Accept=BROWSER)
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    (style,) = re.findall(r"<style>(.*?)</style>", answer.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert http.get("/", Accept=BROWSER, Host="evil.example").status == 421


def test_long_lists_are_cut(http: Http, subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        http.register(f"{subject}-{number}", {"type": "string"})
    monkeypatch.setattr(front_page, "MAX_ROWS", 2)
    page = Page(http.get("/", Accept=BROWSER).body.decode())
    assert re.search(r"and \d+ more", page.text)
    assert page.tags.count("tr") <= 2 * 3
