"""/associations: serializers ask before the first record of each topic."""

from __future__ import annotations

import pytest

from tests.unit.web.http_client import Http


@pytest.mark.parametrize(
    "path",
    [
        "/associations/resources/-/topic?resourceType=topic&associationType=value",
        "/associations/resources/lkc-1/a%2Fb?lifecycle=STRONG&offset=0&limit=5",
        "/associations/resources/some-id",
        "/associations/subjects/topic-value",
        "/contexts/.c/associations/resources/-/topic",
    ],
)
def test_there_are_no_associations(http: Http, path: str) -> None:
    answer = http.get(path)
    assert (answer.status, answer.json) == (200, [])
