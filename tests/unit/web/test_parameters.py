"""Parameters of the bus's own routes: none is passed over, and none is quietly made smaller."""

from __future__ import annotations

import re

import pytest

from fakebus.web.routing import Route, routes
from tests.unit.web.http_client import Http

OURS = [route for route in routes() if route.path.startswith("/_fakebus/")]
RECORDS = "/_fakebus/v1/topics/nowhere/records"


@pytest.mark.parametrize("route", OURS, ids=lambda route: f"{route.method} {route.path}")
def test_a_parameter_that_a_route_does_not_have_is_refused(http: Http, route: Route) -> None:
    path = re.sub(r"\{\w+\}", "x", route.path)
    answer = http.request(route.method, f"{path}?wait-for=3")
    assert answer.error == (400, 400)
    told = answer.json["message"]
    assert f"'wait-for' is no parameter of {route.method} {route.path}, which takes" in told
    assert ", ".join(route.query) in told


def test_half_of_a_value_with_an_ampersand_is_told_as_such(http: Http) -> None:
    answer = http.get(f"{RECORDS}?filter=value.a=1&value.b=2")
    assert answer.error == (400, 400)
    assert answer.json["message"].endswith("an & within a value is written %26")


@pytest.mark.parametrize(
    "path", ["/subjects", "/topics", "/v3/clusters", "/health", "/metrics", "/openapi.json"]
)
def test_what_confluent_and_probes_ask_besides_is_passed_over(http: Http, path: str) -> None:
    assert http.get(f"{path}?nothing=1").status == 200


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("wait_for=10001", "wait_for is at most 10000, not 10001"),
        ("wait_for=1&timeout=300001", "timeout is at most 300000, not 300001"),
        ("limit=10001", "limit is at most 10000, not 10001"),
        ("limit=0", "limit is at least 1, not 0"),
        ("wait_for=2&limit=1", "limit does not go with wait_for"),
        ("wait_for=2&until=latest", "until does not go with wait_for"),
        ("timeout=5", "timeout only goes with wait_for"),
    ],
)
def test_what_is_asked_of_a_page_is_done_or_refused(http: Http, query: str, told: str) -> None:
    topic = RECORDS.replace("nowhere", "bounds")
    body = b'{"records": [{"value": 1}]}'
    label = {"Content-Type": "application/vnd.kafka.json.v2+json"}
    assert http.request("POST", "/topics/bounds", body, label).status == 200
    answer = http.get(f"{topic}?{query}")
    assert answer.error == (400, 400)
    assert told in answer.json["message"]


def test_a_flag_that_is_neither_true_nor_false_is_refused(http: Http) -> None:
    answer = http.get("/_fakebus/v1/impact?subject=s&remove=ja")
    assert answer.error == (400, 400)
    assert answer.json["message"] == "remove is true or false, not 'ja'"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "impact"), ("POST", "replay"), ("POST", "faults"), ("PUT", "services/x")],
)
def test_a_field_that_a_body_does_not_have_is_refused(http: Http, method: str, path: str) -> None:
    label = {"Content-Type": "application/json"}
    answer = http.request(method, f"/_fakebus/v1/{path}", b'{"sinse": "-5m"}', label)
    assert answer.status == 422
    assert "'sinse' is none of " in answer.json["message"]
