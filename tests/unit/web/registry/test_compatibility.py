"""/compatibility: would a schema be accepted."""

from __future__ import annotations

from tests.unit.web.http_client import Http, body
from tests.unit.web.registry.schemas import FIRST, SECOND, THIRD


def test_a_schema_is_compared_with_one_version(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    path = f"/compatibility/subjects/{subject}/versions"
    for version in ("1", "latest", "-1"):
        assert http.post(f"{path}/{version}", body(SECOND)).json == {"is_compatible": True}
        assert http.post(f"{path}/{version}", body(THIRD)).json == {"is_compatible": False}


def test_reasons_are_given_if_asked_for(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    path = f"/compatibility/subjects/{subject}/versions"
    for version in ("/latest", ""):
        answer = http.post(f"{path}{version}?normalize=False&verbose=True", body(THIRD)).json
        assert answer["is_compatible"] is False
        assert any("READER_FIELD_MISSING_DEFAULT_VALUE" in text for text in answer["messages"])
        assert http.post(f"{path}{version}?verbose=True", body(SECOND)).json == {
            "is_compatible": True
        }


def test_without_a_version_all_that_the_level_needs_is_compared(http: Http, subject: str) -> None:
    path = f"/compatibility/subjects/{subject}/versions"
    assert http.post(path, body(THIRD)).json == {"is_compatible": True}
    http.put(f"/config/{subject}", {"compatibility": "NONE"})
    http.register(subject, FIRST)
    http.register(subject, THIRD)
    http.put(f"/config/{subject}", {"compatibility": "BACKWARD"})
    assert http.post(path, body(THIRD)).json == {"is_compatible": True}
    http.put(f"/config/{subject}", {"compatibility": "BACKWARD_TRANSITIVE"})
    assert http.post(path, body(THIRD)).json == {"is_compatible": False}


def test_what_cannot_be_compared_is_an_error(http: Http, subject: str) -> None:
    path = f"/compatibility/subjects/{subject}/versions"
    assert http.post(f"{path}/1", body(FIRST)).error == (404, 40402)
    http.register(subject, FIRST)
    assert http.post(f"{path}/2", body(FIRST)).error == (404, 40402)
    assert http.post(f"{path}/first", body(FIRST)).error == (422, 42202)
    assert http.post(f"{path}/1", body("{")).error == (422, 42201)
    assert http.post(path, body("{")).error == (422, 42201)


def test_anything_fits_to_nothing(http: Http, subject: str) -> None:
    path = f"/compatibility/subjects/{subject}/versions"
    assert http.post(f"{path}/latest", body(THIRD)).json == {"is_compatible": True}
    assert http.get("/subjects?subjectPrefix=" + subject).json == []
