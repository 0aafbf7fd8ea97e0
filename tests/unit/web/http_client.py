"""A plain HTTP client that keeps its connection and sends exactly what it is told to."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

REGISTRY_TYPE = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    body: bytes
    headers: http.client.HTTPMessage
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, int]:
        """The status and the error code; fails unless it is an error in the registry's form."""
        content = self.json
        assert set(content) == {"error_code", "message"}, content
        assert isinstance(content["message"], str)
        return self.status, content["error_code"]


class Http:
    """One connection."""

    def __init__(self, host: str, port: int) -> None:
        self.authority = f"{host}:{port}"
        self._connection = http.client.HTTPConnection(host, port, timeout=60)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        started = time.perf_counter()
        self._connection.request(method, path, body, dict(headers or {}))
        response = self._connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - started
        return Answer(response.status, content, response.headers, seconds)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, None, _dashed(headers))

    def delete(self, path: str, **headers: str) -> Answer:
        return self.request("DELETE", path, None, _dashed(headers))

    def post(self, path: str, body: object, **headers: str) -> Answer:
        return self._send("POST", path, body, headers)

    def put(self, path: str, body: object, **headers: str) -> Answer:
        return self._send("PUT", path, body, headers)

    def _send(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Answer:
        data = json.dumps(body).encode()
        return self.request(method, path, data, {"Content-Type": REGISTRY_TYPE, **_dashed(headers)})

    def register(self, subject: str, schema: object, **fields: object) -> int:
        """Register a schema and return its id."""
        answer = self.post(f"/subjects/{quote(subject, safe='')}/versions", body(schema, **fields))
        assert answer.status == 200, answer.body
        schema_id: int = answer.json["id"]
        return schema_id

    def close(self) -> None:
        self._connection.close()


def body(schema: object, **fields: object) -> dict[str, object]:
    """Return a request body; a schema that is no text yet becomes one."""
    return {"schema": schema if isinstance(schema, str) else json.dumps(schema), **fields}


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
