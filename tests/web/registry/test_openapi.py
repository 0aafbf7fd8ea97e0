"""The description, and whether the server does what it says."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.specs.openapi import checks

from fakebus.web.registry.openapi import description
from fakebus.web.registry.routes import ROUTES
from tests.web.http_client import Http
from tests.web.server import connect, http_bus


def documented() -> set[tuple[str, str]]:
    paths: Any = description()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_every_route_is_documented_and_nothing_else() -> None:
    routes = [(route.method, route.path) for route in ROUTES]
    assert len(set(routes)) == len(routes)
    assert set(routes) == documented()


def test_the_description_is_served(http: Http) -> None:
    answer = http.get("/openapi.json")
    assert answer.json["openapi"] == "3.1.0"
    assert answer.json == description()


def test_every_operation_has_an_id_of_its_own() -> None:
    paths: Any = description()["paths"]
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(ids)) == len(ids)


CHECKS: Any = (
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)


def with_one_content_type() -> dict[str, Any]:
    """Return the description with one content type for bodies: what is sent is the same."""
    described: dict[str, Any] = copy.deepcopy(description())
    for path in described["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            for content_type in list(content)[1:]:
                del content[content_type]
    return described


# The routes in contexts are the same functions.
loaded = schemathesis.openapi.from_dict(with_one_content_type()).exclude(
    path_regex=r"^/contexts/\{context\}/"
)


@pytest.fixture
def url() -> Iterator[str]:
    """A bus of its own, since a changed mode would be felt by all; it knows the examples."""
    with http_bus() as running:
        connection = connect(running)
        connection.register("orders-value", {"type": "string"})
        connection.close()
        yield running.http_url


@loaded.parametrize()
@hypothesis.settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_the_server_does_what_the_description_says(
    case: schemathesis.Case[Any], url: str, session: requests.Session
) -> None:
    response = case.call(base_url=url, session=session)
    case.validate_response(response, checks=CHECKS)
