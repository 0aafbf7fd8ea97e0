"""The root, the server's metadata, and health checks of all kinds."""

from __future__ import annotations

import pytest

from tests.unit.web.http_client import Http


def test_the_root_is_an_empty_object(http: Http) -> None:
    assert http.get("/").json == {}
    assert http.post("/", {"any": "thing"}).json == {}


def test_the_cluster_and_the_version_are_told(http: Http) -> None:
    answer = http.get("/v1/metadata/id").json
    assert answer["scope"]["clusters"]["schema-registry-cluster"] == "schema-registry"
    assert answer["scope"]["clusters"]["kafka-cluster"]
    assert http.get("/v1/metadata/deployment").json == {"attributes": []}
    version = http.get("/v1/metadata/version").json
    assert version["version"].count(".") == 2
    assert version["commitId"].startswith("fakebus-")


@pytest.mark.parametrize("path", ["/_health", "/master_available", "/health", "/ready"])
def test_health_checks_are_answered(http: Http, path: str) -> None:
    assert http.get(path).status == 200


def test_karapaces_tests_see_that_writes_are_taken(http: Http) -> None:
    assert http.get("/master_available").json == {"master_available": True}
