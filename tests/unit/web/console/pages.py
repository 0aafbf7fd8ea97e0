"""Reading pages as a browser without JavaScript does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

from tests.unit.web.http_client import Answer, Http

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


class Page(HTMLParser):
    """Elements, attributes, text and forms of a page."""

    def __init__(self, answer: Answer, url: str) -> None:
        super().__init__()
        self.answer = answer
        self.url = url
        self.tags: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        """The sources of scripts; empty for one that stands in the page."""
        self.attributes: set[str] = set()
        self.forms: list[Form] = []
        self._texts: list[str] = []
        self._textarea = ""
        self._select = ""
        self._is_option = False
        if answer.headers["Content-Type"].startswith("text/html"):
            self.feed(answer.body.decode())

    @property
    def text(self) -> str:
        """The text, with all white space as one blank."""
        return re.sub(r"\s+", " ", "".join(self._texts))

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def runs_own_scripts_only(self) -> bool:
        """Whether all scripts are files of the console."""
        return all(source.startswith("/ui/static/") for source in self.scripts)

    def form(self, action: str) -> Form:
        """Return the form that is posted to an address."""
        (found,) = [each for each in self.forms if each.method == "post" and each.action == action]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self._texts.append(" ")
        self.attributes.update(given)
        if "href" in given:
            self.links.append(given["href"])
        if tag == "script":
            self.scripts.append(given.get("src", ""))
        if tag == "form":
            self.forms.append(
                Form(urljoin(self.url, given.get("action", "")), given.get("method", "get"))
            )
        elif (
            self.forms
            and given.get("name")
            and not (given.get("type") in ("checkbox", "radio") and "checked" not in given)
        ):
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        if tag == "textarea":
            self._textarea = given.get("name", "")
        elif tag == "select":
            self._select = given.get("name", "")
            if self.forms:
                self.forms[-1].fields.pop(self._select, None)
        elif tag == "option" and self.forms:
            fields = self.forms[-1].fields
            if "selected" in given or self._select not in fields:
                fields[self._select] = given.get("value", "")
                self._is_option = "value" not in given

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        self._texts.append(data)
        if self._is_option:
            self.forms[-1].fields[self._select] = data
            self._is_option = False
        if self._textarea and self.forms:
            self.forms[-1].fields[self._textarea] += data.removeprefix("\n")


@dataclass
class Form:
    """Form of a page, with what stands in its fields."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Browser:
    """Browser that keeps its cookies, follows redirections, and runs nothing."""

    def __init__(self, http: Http) -> None:
        self.http = http
        self.cookies: dict[str, str] = {}

    def get(self, url: str, **headers: str) -> Page:
        return self._follow("GET", url, None, headers)

    def send(self, form: Form, **fields: str) -> Page:
        """Fill in a form and send it."""
        body = urlencode({**form.fields, **fields}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._follow("POST", form.action, body, kind)

    def _follow(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Page:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        told = {"Accept": BROWSER, **headers, **({"Cookie": cookie} if cookie else {})}
        answer = self.http.request(method, url, body, told)
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "max-age=0" in line.lower():
                del self.cookies[name]
        if answer.status in (302, 303):
            return self._follow("GET", urljoin(url, answer.headers["Location"]), None, {})
        return Page(answer, url)

    def write(self, topic: str, value: object = None, **fields: object) -> str:
        """Write a record and return its name."""
        answer = self.http.post("/_fakebus/v1/records", {"topic": topic, "value": value, **fields})
        assert answer.status == 200, answer.body
        name: str = answer.json["record"]
        return name
