"""The frame of the console: who gets it, what its policy allows, and which forms it takes."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

import fakebus.web.console
from fakebus.web.console.table import page_routes
from tests.unit.web.console.pages import BROWSER, Browser
from tests.unit.web.http_client import REGISTRY_TYPE

OUTCOMES = ("Page", "Redirect", "web.Response", "web.StreamResponse")
HERE = Path(fakebus.web.console.__file__).parent


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", REGISTRY_TYPE, "application/json, */*;q=0.1"]
)
def test_registry_clients_get_their_empty_object(browser: Browser, accept: str) -> None:
    answer = browser.http.get("/", Accept=accept) if accept else browser.http.get("/")
    assert answer.json == {}
    assert answer.headers["Content-Type"].startswith("application/")
    assert answer.headers["Vary"] == "Accept"
    assert browser.http.get("/", Accept="image/png").status == 406


def test_a_browser_that_asks_for_the_root_comes_to_the_console(browser: Browser) -> None:
    answer = browser.http.get("/", Accept=BROWSER)
    assert (answer.status, answer.headers["Location"]) == (302, "/ui")
    page = browser.get("/")
    assert page.status == 200
    assert "Nothing wrong was found" in page.text


def test_every_line_of_the_table_names_a_function() -> None:
    for route in page_routes():
        assert iscoroutinefunction(route.load()), route.handler


def test_every_page_function_has_a_line() -> None:
    listed = {route.handler for route in page_routes()}
    for path in (HERE / "pages").glob("[!_]*.py"):
        module = import_module(f"fakebus.web.console.pages.{path.stem}")
        pages = {
            f"{path.stem}.{name}"
            for name, found in vars(module).items()
            if iscoroutinefunction(found)
            and found.__module__ == module.__name__
            and found.__annotations__["return"].rpartition(" ")[2] in OUTCOMES
            and not name.startswith("_")
        }
        assert pages <= listed


def test_the_policy_allows_what_comes_from_here_and_nothing_else(browser: Browser) -> None:
    answer = browser.get("/ui").answer
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_templates_have_no_code_or_style_that_the_policy_would_stop() -> None:
    for path in (HERE / "templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! type=)", text), path
        assert not re.search(r"\|\s*safe\b|autoescape", text), path


def test_scripts_make_no_html_out_of_text() -> None:
    for path in (HERE / "static").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc",
            path.read_text(),
        ), path


def test_nothing_is_loaded_from_elsewhere() -> None:
    for folder in ("templates", "static"):
        for path in (HERE / folder).iterdir():
            found = re.findall(r"(?:src|href|url\(|import|from)\W*https?://\S+", path.read_text())
            assert found == [], path


def test_files_are_kept_by_browsers_until_they_change(browser: Browser) -> None:
    page = browser.get("/ui")
    (sheet,) = [link for link in page.links if ".css" in link]
    answer = browser.http.get(sheet)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.headers["Cache-Control"]
    for wrong in ("/ui/static/none.css", "/ui/static/..%2Fsite.py", "/ui/static/../site.py"):
        assert browser.http.get(wrong).status == 404


def test_what_is_no_page_is_told_in_a_page(browser: Browser) -> None:
    page = browser.get("/ui/none")
    assert (page.status, "there is no such page" in page.text) == (404, True)
    assert browser.http.request("DELETE", "/ui").status == 405
    assert browser.http.request("HEAD", "/ui").body == b""


def test_foreign_names_and_pages_are_refused(browser: Browser) -> None:
    assert browser.http.get("/ui", Host="evil.example").status == 421
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert browser.http.request("POST", "/ui/topics", b"", headers).status == 403
