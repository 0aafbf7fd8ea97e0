"""Bodies that the bus's own routes are sent by those who do not mean well."""

from __future__ import annotations

import json

import pytest

from fakebus.app import FakeBus
from fakebus.broker import faults
from tests.unit.web.http_client import Http

_JSON = {"Content-Type": "application/json"}
_VALUES = (
    None,
    True,
    -1,
    1.5,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "\ud800",
    "x\0",
    [],
    [[]],
    {},
)
_FIELDS = {
    ("POST", "impact"): (
        "subject",
        "schema",
        "schemaType",
        "removeField",
        "remove",
        "days",
        "file",
    ),
    ("POST", "records"): ("topic", "partition", "key", "value", "headers", "timestamp"),
    ("POST", "faults"): ("api", "error", "delay_s", "disconnect", "times", "probability", "for_s"),
    ("PUT", "services/x"): ("client_ids", "groups", "addresses", "commands"),
}
_BASES: dict[str, dict[str, object]] = {
    "impact": {"subject": "a", "remove": True},
    "records": {"topic": "nowhere", "value": "x"},
    "faults": {"api": "Produce", "error": "NOT_CONTROLLER", "client_id": "nobody"},
    "services/x": {},
}


@pytest.mark.parametrize(("method", "path"), _FIELDS)
def test_values_of_wrong_types_are_refused_and_never_fail(
    http: Http, bus: FakeBus, method: str, path: str
) -> None:
    url = f"/_fakebus/v1/{path}"
    for field in _FIELDS[method, path]:
        for value in _VALUES:
            answer = http.request(
                method, url, json.dumps({**_BASES[path], field: value}).encode(), _JSON
            )
            assert answer.status < 500, (field, value, answer.json)
    for raw in (b"[" * 9999, b"null", b"\xff\xfe", b"{", b'{"days": ' + b"9" * 9999 + b"}"):
        assert http.request(method, url, raw, _JSON).status in (400, 404, 422)
    bus.broker.faults.clear()


def test_faults_are_bounded_in_number_and_in_size(http: Http, bus: FakeBus) -> None:
    one = {"api": "Produce", "error": "NOT_CONTROLLER", "client_id": "nobody"}
    for field in ("for_s", "times", "probability"):
        answer = http.post("/_fakebus/v1/faults", {**one, field: 10**400})
        assert answer.status == 422
        assert "at most" in answer.json["message"]
    for _ in range(faults.MOST_FAULTS - 1):
        bus.broker.faults.fail(api="Produce", error="NOT_CONTROLLER", client_id="nobody")
    assert http.post("/_fakebus/v1/faults", one).status == 200
    answer = http.post("/_fakebus/v1/faults", one)
    assert (answer.status, "faults are on" in answer.json["message"]) == (422, True)
    bus.broker.faults.clear()


def test_rules_of_services_are_bounded_together(http: Http) -> None:
    for name in ("a", "b"):
        rule = {"commands": ["x" * 6000]}
        status = http.request(
            "PUT", f"/_fakebus/v1/services/{name}", json.dumps(rule).encode(), _JSON
        ).status
        assert status == (200 if name == "a" else 422)
    assert http.request("PUT", "/_fakebus/v1/services/a", b"{}", _JSON).status == 200
    assert json.loads(http.request("GET", "/_fakebus/v1/services").body) == []


@pytest.mark.parametrize("path", ["/subjects/s", "/topics/_schemas", "/_fakebus/v1/records"])
def test_more_values_than_are_read_in_no_time_are_refused(http: Http, path: str) -> None:
    label = {"Content-Type": "application/vnd.kafka.json.v2+json"}
    body = b'{"a":[' + b"[]," * 500_000 + b"[]]}"
    answer = http.request("POST", path, body, label if "topics" in path else _JSON)
    assert answer.status == 413
    assert "more than 1000000 values" in answer.json["message"]
