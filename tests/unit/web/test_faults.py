"""Faults as clients of HTTP see them."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException

import pytest

from fakebus.app import FakeBus
from fakebus.broker.faults import Faults
from tests.unit.web.http_client import Http

ROUTE = "GET /subjects/{subject}/versions"


@pytest.fixture
def faults(bus: FakeBus) -> Iterator[Faults]:
    yield bus.broker.faults
    bus.broker.faults.clear()


def test_a_route_fails_for_the_subject_that_the_fault_names(faults: Faults, http: Http) -> None:
    faults.fail(api=ROUTE, error="NOT_CONTROLLER", topic="a")
    assert http.request("GET", "/subjects/b/versions").error == (404, 40401)
    failed = http.request("GET", "/subjects/a/versions")
    assert failed.error == (500, 50001)
    assert failed.json["message"].startswith("NOT_CONTROLLER")
    assert http.request("GET", "/subjects/a/versions").error == (404, 40401)


@pytest.mark.parametrize("before", [True, False])
def test_a_connection_breaks_instead_of_an_answer(faults: Faults, http: Http, before: bool) -> None:
    fault = faults.disconnect(api=ROUTE, before=before, after=not before)
    with pytest.raises((HTTPException, ConnectionError)):
        http.request("GET", "/subjects/a/versions")
    assert fault.fired == 1


def test_an_answer_comes_late(faults: Faults, http: Http) -> None:
    fault = faults.delay(api=ROUTE, seconds=0.01, client_id="somebody else")
    own = faults.delay(api=ROUTE, seconds=0.01)
    assert http.request("GET", "/subjects/a/versions").status == 404
    assert (fault.fired, own.fired) == (0, 1)


def test_the_bus_is_ready_and_its_pages_are_quiet_unless_writes_fail(
    faults: Faults, http: Http
) -> None:
    faults.fill_storage()
    assert http.put("/config", {"compatibility": "FULL"}).status == 500
    for _ in range(2):
        refused = http.get("/ready")
        assert (refused.status, refused.json["ready"]) == (503, False)
        assert refused.json["message"].startswith("writes fail: the disk is full")
    assert b"Writes fail: " in http.get("/ui/topics").body
    faults.clear()
    assert http.get("/ready").json["ready"]
    assert b"Writes fail: " not in http.get("/ui/topics").body
