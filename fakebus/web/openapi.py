"""The OpenAPI 3.1 description of the HTTP side, made from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fakebus import __version__
from fakebus.web.errors import ERROR_CONTENT_TYPE
from fakebus.web.routing import Room, Route, routes

_COMPONENTS = Path(__file__).with_name("components.yaml")
_WRITE_ERRORS = (403,)
_BODY_ERRORS = (400, 408, 413, 415, 503)


def description(rooms: Mapping[str, Room]) -> dict[str, object]:
    """Return the description.

    Args:
        rooms: what answers the routes, by name.
    """
    components = yaml.safe_load(_COMPONENTS.read_text(encoding="utf-8"))
    paths: dict[str, dict[str, object]] = {}
    for route in routes():
        room = rooms[route.room]
        for path in route.paths(room.prefix):
            operation = _Operation(route, room, components).describe(path)
            paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fakebus",
            "version": __version__,
            "description": "Confluent's Schema Registry REST interface, and what probes ask.",
        },
        "paths": paths,
        "components": {"schemas": components["schemas"]},
    }


class _Operation:
    """Operation of the description: one route, under any of its paths."""

    def __init__(self, route: Route, room: Room, components: dict[str, Any]) -> None:
        self._route = route
        self._room = room
        self._components = components

    def describe(self, path: str) -> dict[str, object]:
        words = re.findall(r"\w+", path) or ["root"]
        docstring = self._room.handler(self._route.handler).__doc__ or ""
        operation: dict[str, object] = {
            "summary": docstring.partition("\n")[0].rstrip("."),
            "operationId": "_".join((self._route.method.lower(), *words)),
            "parameters": [
                *map(self._path_parameter, re.findall(r"\{(\w+)\}", path)),
                *map(self._query_parameter, self._route.query),
            ],
            "responses": self._responses(),
        }
        if self._route.body:
            # A body may be left out; then all its fields are.
            content = _content(self._route.body, self._room.content_types)
            operation["requestBody"] = {"content": content}
        return operation

    def _path_parameter(self, name: str) -> dict[str, object]:
        schema, example, meaning = self._components["path"][name]
        return {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schema,
            "example": example,
            "description": meaning,
        }

    def _query_parameter(self, name: str) -> dict[str, object]:
        schema, meaning = self._components["query"][name]
        return {"name": name, "in": "query", "schema": schema, "description": meaning}

    def _responses(self) -> dict[str, object]:
        route, types = self._route, self._room.content_types
        codes = {*self._room.general_errors, *route.errors}
        if route.method != "GET":
            codes.update(_WRITE_ERRORS)
        if route.body:
            codes.update(_BODY_ERRORS)
        success: dict[str, object] = {"description": "done"}
        if route.answer:
            labels = self._components["media"].get(route.answer, types)
            success["content"] = _content(
                route.answer, ("text/event-stream",) if route.is_stream else labels
            )
        responses: dict[str, object] = {route.status: success}
        reasons: dict[int, list[str]] = {}
        for code in sorted(codes, key=str):
            text = self._components["errors"][code]
            status, prefix = (code, "") if code < 1000 else (code // 100, f"{code}: ")
            reasons.setdefault(status, []).append(prefix + text)
        for status, texts in reasons.items():
            content = _content("Error", dict.fromkeys((*types[:1], ERROR_CONTENT_TYPE)))
            responses[str(status)] = {"description": "; ".join(texts), "content": content}
        return responses


def _content(name: str, content_types: Iterable[str]) -> dict[str, object]:
    schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    return dict.fromkeys(content_types, schema)
