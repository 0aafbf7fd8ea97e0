"""Records written over HTTP, as fixture files have them."""

from __future__ import annotations

import pytest

from fakebus.app import FakeBus
from tests.unit.web.http_client import Http


def test_an_event_for_a_topic_that_is_not_there_is_refused(http: Http) -> None:
    answer = http.post("/_fakebus/v1/records", {"topic": "_schema"})
    assert answer.status == 404
    assert "did you mean _schemas" in answer.json["message"]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({}, '"topic" has to name the topic'),
        ({"topic": "t", "values": 1}, "an event has no field 'values'"),
        ({"topic": "t", "partition": "x"}, '"partition" has to be a whole number'),
        ({"topic": "t", "value": {"type": "jsn", "data": 1}}, "jsn"),
        ({"topic": "t", "headers": 7}, "headers"),
    ],
)
def test_what_is_no_event_is_refused(http: Http, event: dict[str, object], told: str) -> None:
    answer = http.post("/_fakebus/v1/records", event)
    assert answer.status == 422
    assert told in answer.json["message"]


def test_an_event_for_a_partition_that_is_not_there_is_refused(http: Http, bus: FakeBus) -> None:
    http.post(f"/v3/clusters/{bus.broker.cluster_id}/topics", {"topic_name": "one"})
    for partition in (1, -1, 2**63):
        answer = http.post("/_fakebus/v1/records", {"topic": "one", "partition": partition})
        assert answer.status == 404
        assert "there is no partition" in answer.json["message"]
