"""Requests to a REST Proxy, as scripts make them with the requests library."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import requests

_numbers = itertools.count(1)


class Proxy:
    """REST Proxy at an address.

    Args:
        url: the address.
        session: keeps the connection.
    """

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url
        self.session = session

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        form: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Return the answer to a request, whose records are in a format."""
        media_type = f"application/vnd.kafka.{form}.v2+json" if form else "application/json"
        sent = {"Content-Type": media_type} if body is not None else {}
        return self.session.request(
            method, self.url + path, json=body, headers={**sent, **(headers or {})}, timeout=60
        )

    def produce(self, topic: str, *records: object, form: str = "json", **fields: object) -> Any:
        """Write records, and return what is told of them."""
        answer = self.ask("POST", f"/topics/{topic}", {"records": records, **fields}, form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def consumer(self, group: str, form: str = "json", **options: object) -> Consumer:
        """Create a consumer that begins at the beginning."""
        wanted = {"format": form, "auto.offset.reset": "earliest", **options}
        answer = self.ask("POST", f"/consumers/{group}", wanted, form)
        assert answer.status_code == 200, answer.text
        return Consumer(self, answer.json()["base_uri"].removeprefix(self.url), form)


class Consumer:
    """Consumer at its address."""

    def __init__(self, proxy: Proxy, path: str, form: str) -> None:
        self.proxy = proxy
        self.path = path
        self.form = form

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        accept = {"Accept": f"application/vnd.kafka.{self.form}.v2+json"}
        return self.proxy.ask(method, self.path + path, body, self.form, accept)

    def do(self, method: str, path: str, body: object = None) -> None:
        answer = self.ask(method, path, body)
        assert answer.ok, answer.text

    def records(self, timeout_ms: int = 5000) -> list[dict[str, Any]]:
        answer = self.ask("GET", f"/records?timeout={timeout_ms}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def values(self, timeout_ms: int = 5000) -> list[object]:
        return [each["value"] for each in self.records(timeout_ms)]


def new_name(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"rest-{prefix}-{next(_numbers)}"


def error_of(answer: requests.Response) -> tuple[int, int]:
    """Return the status and the code of a refusal in a REST Proxy's form."""
    assert answer.headers["Content-Type"] == "application/vnd.kafka.v2+json"
    body = answer.json()
    assert set(body) == {"error_code", "message"}
    return answer.status_code, body["error_code"]
