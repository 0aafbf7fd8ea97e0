"""The description, and whether the server does what it says."""

from __future__ import annotations

import copy
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import requests
import yaml

from fakebus.app import FakeBus
from fakebus.web import openapi
from fakebus.web.openapi import description
from fakebus.web.rooms import all_rooms
from fakebus.web.routing import routes, web_routes
from tests.unit.web.http_client import Http
from tests.unit.web.server import connect, http_bus

if TYPE_CHECKING:
    import schemathesis

ROOMS = all_rooms(FakeBus())
DESCRIPTION: dict[str, Any] = description(ROOMS)


def documented() -> set[tuple[str, str]]:
    paths = DESCRIPTION["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_what_is_served_is_documented_and_nothing_else() -> None:
    served = [(each.method, each.path.replace(":[^/]+}", "}")) for each in web_routes(ROOMS)]
    assert len(set(served)) == len(served)
    # A REST Proxy takes a slash at the end of each of its paths.
    assert {each for each in served if not each[1].endswith("/") or each[1] == "/"} == documented()


def test_every_handler_has_a_route() -> None:
    used = {ROOMS[route.room].handler(route.handler) for route in routes()}
    public = {
        function
        for module in {each.__module__ for each in used}
        for name, function in vars(sys.modules[module]).items()
        if inspect.iscoroutinefunction(function)
        and function.__module__ == module
        and not name.startswith("_")
        and len(inspect.signature(function).parameters) == 1
    }
    assert used == public


def test_every_component_is_used() -> None:
    text = json.dumps(DESCRIPTION["paths"]) + json.dumps(DESCRIPTION["components"])
    named = {name for name in DESCRIPTION["components"]["schemas"] if f'schemas/{name}"' in text}
    assert named == set(DESCRIPTION["components"]["schemas"])
    components = yaml.safe_load(openapi._COMPONENTS.read_text())
    assert {name for route in routes() for name in route.query} == set(components["query"])


def test_the_description_is_served(http: Http) -> None:
    answer = http.get("/openapi.json")
    assert answer.json["openapi"] == "3.1.0"
    assert answer.json == DESCRIPTION
    assert answer.headers["Content-Type"].startswith("application/json")


def test_every_operation_has_an_id_of_its_own_and_a_summary() -> None:
    operations = [each for path in DESCRIPTION["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] for each in operations)


def with_one_content_type() -> dict[str, Any]:
    """Return the description with one content type for bodies: what is sent is the same."""
    described: dict[str, Any] = copy.deepcopy(DESCRIPTION)
    for path in described["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            for content_type in list(content)[1:]:
                del content[content_type]
    return described


OPERATIONS = list(map(" ".join, sorted(documented())))
_REST = re.compile(r"\w+ /(brokers|topics|consumers|v3)\b")
# The routes in contexts and under /kafka are the same functions; the stream of events has no end.
_LEFT_OUT = re.compile(r"\w+ (/contexts/\{context\}/|/kafka/|.*/events$)")


@cache
def described() -> Any:
    """Return the operations; schemathesis takes a second, so only who needs it imports it."""
    import schemathesis

    return schemathesis.openapi.from_dict(with_one_content_type())


@pytest.fixture
def url() -> Iterator[str]:
    """A bus of its own, since a changed mode would be felt by all; it knows the examples."""
    with http_bus() as running:
        connection = connect(running)
        connection.register("orders-value", {"type": "string"})
        connection.close()
        yield running.http_url


def send_cases(
    label: str, url: str, session: requests.Session, change: Callable[[Any], None] | None = None
) -> None:
    """Send what schemathesis makes of an operation, and hold each answer to the description.

    It is what its pytest plugin does while it collects, which each worker would do for all.
    """
    from schemathesis.checks import not_a_server_error
    from schemathesis.generation.hypothesis.builder import (
        HypothesisTestConfig,
        HypothesisTestMode,
        create_test,
    )
    from schemathesis.specs.openapi import checks

    def agrees(case: schemathesis.Case[Any]) -> None:
        if change is not None:
            change(case)
        response = case.call(base_url=url, session=session, timeout=60)
        case.validate_response(
            response,
            checks=(
                not_a_server_error,
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
            ),
        )

    settings = hypothesis.settings(
        max_examples=3,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    config = HypothesisTestConfig(
        project=described().config, modes=list(HypothesisTestMode), explicit_settings=settings
    )
    operation = described().find_operation_by_label(label)
    create_test(operation=operation, test_func=agrees, config=config)()


@pytest.mark.parametrize(
    "label", [each for each in OPERATIONS if not _REST.match(each) and not _LEFT_OUT.match(each)]
)
def test_the_server_does_what_the_description_says(
    label: str, url: str, session: requests.Session
) -> None:
    send_cases(label, url, session)


@pytest.fixture(scope="module")
def rest_url() -> Iterator[str]:
    """A bus with a topic and a consumer of the examples' names."""
    with http_bus() as running, requests.Session() as session:
        url = running.http_url
        session.post(f"{url}/topics/orders", json={"records": [{"value": "eA=="}]}, timeout=60)
        session.post(f"{url}/consumers/billing", json={"name": "my-consumer"}, timeout=60)
        yield url


@pytest.mark.parametrize("label", list(filter(_REST.match, OPERATIONS)))
def test_the_rest_proxy_does_what_the_description_says(
    label: str, rest_url: str, session: requests.Session
) -> None:
    def is_of_the_bus(case: schemathesis.Case[Any]) -> None:
        if "timeout" in case.query:
            case.query["timeout"] = 0
        if "cluster" in case.path_parameters:
            [found] = session.get(f"{rest_url}/v3/clusters", timeout=60).json()["data"]
            case.path_parameters["cluster"] = found["cluster_id"]

    send_cases(label, rest_url, session, is_of_the_bus)
