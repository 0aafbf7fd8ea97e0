"""Whether the server does what its description says, asked by schemathesis."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.generation.hypothesis.builder import (
    HypothesisTestConfig,
    HypothesisTestMode,
    create_test,
)
from schemathesis.specs.openapi import checks

from fakebus.app import FakeBus
from fakebus.web.openapi import description
from fakebus.web.rooms import all_rooms
from tests.unit.web.server import connect, http_bus

DESCRIPTION: dict[str, Any] = description(all_rooms(FakeBus()))


def with_one_content_type() -> dict[str, Any]:
    """Return the description with one content type for bodies: what is sent is the same."""
    described: dict[str, Any] = copy.deepcopy(DESCRIPTION)
    for path in described["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            for content_type in list(content)[1:]:
                del content[content_type]
    return described


OPERATIONS = sorted(
    f"{method.upper()} {path}"
    for path, methods in DESCRIPTION["paths"].items()
    for method in methods
)
_REST = re.compile(r"\w+ /(brokers|topics|consumers|v3)\b")
# The routes in contexts and under /kafka are the same functions; the stream of events has no end.
_LEFT_OUT = re.compile(r"\w+ (/contexts/\{context\}/|/kafka/|.*/events$)")


DESCRIBED = schemathesis.openapi.from_dict(with_one_content_type())


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
    """Send what schemathesis makes of an operation, and hold each answer to the description."""

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
        project=DESCRIBED.config, modes=list(HypothesisTestMode), explicit_settings=settings
    )
    operation = DESCRIBED.find_operation_by_label(label)
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
