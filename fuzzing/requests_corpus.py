"""Requests by HTTP and commands of Redis to begin with: what tests say, and every route."""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

KEPT = Path(__file__).with_name("requests.json.xz")
"""Written by ``python -m fuzzing.requests_recording``."""
HEAD_END = b"\r\n\r\n"
FORM_TOKEN = "f" * 64
"""What a browser and the page that it shows have in common."""
_FRAMING = ("content-length", "transfer-encoding", "host")


class Request(NamedTuple):
    """Request by HTTP; how its body is framed is decided when it is sent."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def parsed(cls, data: bytes) -> Request | None:
        """Return what a client sent, unless it was no whole request."""
        head, end, body = data.partition(HEAD_END)
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if not end or len(words) != 3 or not words[2].startswith("HTTP/"):
            return None
        headers = [(n.strip(), v.strip()) for n, _, v in (line.partition(":") for line in lines)]
        kept = tuple(each for each in headers if each[0].lower() not in _FRAMING)
        chunked = any(n.lower() == "transfer-encoding" for n, _ in headers)
        return None if chunked else cls(words[0], words[1], kept, body)

    def head(self) -> bytes:
        """Return its lines before the body, without what frames it."""
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{n}: {v}" for n, v in self.headers)]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + HEAD_END

    def label(self) -> str:
        """Return its content type."""
        return next((v for n, v in self.headers if n.lower() == "content-type"), "")


def of_tests(kind: str) -> list[bytes]:
    """Return what tests say by ``http`` or to ``redis``."""
    kept = json.loads(lzma.decompress(KEPT.read_bytes()))
    return [base64.b64decode(text) for text in kept[kind]]


def requests_of_tests() -> list[Request]:
    """Return requests that tests send."""
    return [each for data in of_tests("http") if (each := Request.parsed(data)) is not None]


def of_description(description: dict[str, Any]) -> Iterator[Request]:
    """Give one request of every operation and content type that an OpenAPI description has."""
    schemas = description["components"]["schemas"]
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            query, filled = [], path
            for parameter in operation["parameters"]:
                value = str(parameter.get("example", example(parameter["schema"], schemas)))
                if parameter["in"] == "path":
                    filled = filled.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
                else:
                    query.append(f"{parameter['name']}={quote(value)}")
            where = filled + ("?" + "&".join(query) if query else "")
            content = operation.get("requestBody", {}).get("content", {})
            for label, media in content.items():
                body = json.dumps(example(media["schema"], schemas)).encode()
                yield Request(method.upper(), where, (("Content-Type", label),), body)
            if not content:
                yield Request(method.upper(), where, (), b"")


def example(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> Any:
    """Return a value that a schema describes."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if depth > 6:
        return None
    if kind == "object":
        return {k: example(v, schemas, depth + 1) for k, v in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema.get("items", {}), schemas, depth + 1)]
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, "orders")


def of_console() -> Iterator[Request]:
    """Give one request of every page and form of the console, and of what is beside the table."""
    from fakebus.web.console.table import page_routes

    label = ("Content-Type", "application/x-www-form-urlencoded")
    for route in page_routes():
        path = "/ui/" + "/".join(route.path).replace("{topic}", "orders")
        path = path.replace("{partition}", "0").replace("{offset}", "0")
        if route.method == "POST":
            body = f"token={FORM_TOKEN}&name=orders&topic=orders&group=billing&subject=orders-value"
            headers = (label, ("Cookie", f"fakebus_form={FORM_TOKEN}"))
            yield Request("POST", path, headers, body.encode())
        else:
            yield Request("GET", f"{path}?name=orders&topic=orders&q=value&from=-10", (), b"")
