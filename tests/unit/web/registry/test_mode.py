"""/mode: whether writes are taken."""

from __future__ import annotations

from tests.unit.web.http_client import Http, body
from tests.unit.web.registry.schemas import FIRST, SECOND


def test_the_global_mode_is_readwrite_until_it_is_changed(fresh: Http) -> None:
    assert fresh.get("/mode").json == {"mode": "READWRITE"}
    assert fresh.put("/mode?force=False", {"mode": "READONLY"}).json == {"mode": "READONLY"}
    assert fresh.get("/mode").json == {"mode": "READONLY"}
    assert fresh.post("/subjects/a/versions", body(FIRST)).error == (422, 42205)
    assert fresh.delete("/mode").json == {"mode": "READONLY"}
    assert fresh.get("/mode").json == {"mode": "READWRITE"}


def test_a_subjects_mode_is_its_own_or_missing(http: Http, subject: str) -> None:
    path = f"/mode/{subject}"
    assert http.get(path).error == (404, 40409)
    assert http.get(f"{path}?defaultToGlobal=True").json == {"mode": "READWRITE"}
    assert http.delete(path).error == (404, 40401)
    http.register(subject, FIRST)
    assert http.put(path, {"mode": "readonly"}).json == {"mode": "READONLY"}
    assert http.get(path).json == {"mode": "READONLY"}
    assert http.post(f"/subjects/{subject}/versions", body(SECOND)).error == (422, 42205)
    assert http.delete(f"/subjects/{subject}").error == (422, 42205)
    assert http.delete(f"/subjects/{subject}/versions/1").error == (422, 42205)
    assert http.delete(path).json == {"mode": "READONLY"}
    assert http.get(path).error == (404, 40409)


def test_an_unknown_mode_is_refused(http: Http, subject: str) -> None:
    for mode in ("SOMETIMES", ""):
        assert http.put(f"/mode/{subject}", {"mode": mode}).error == (422, 42204)
        assert http.put("/mode", {"mode": mode}).error == (422, 42204)
    assert http.put(f"/mode/{subject}", {"mode": 5}).error == (400, 400)


def test_import_mode_takes_ids_and_versions_as_they_are_given(http: Http, subject: str) -> None:
    assert http.put(f"/mode/{subject}", {"mode": "IMPORT"}).json == {"mode": "IMPORT"}
    assert http.register(subject, FIRST, id=54321, version=7) == 54321
    assert http.get(f"/subjects/{subject}/versions").json == [7]
    answer = http.post(f"/subjects/{subject}/versions", body(SECOND, id=54321, version=8))
    # Overwriting an id is never permitted.
    assert answer.error == (422, 42205)


def test_a_subject_with_schemas_goes_into_import_mode_only_by_force(
    http: Http, subject: str
) -> None:
    http.register(subject, FIRST)
    assert http.put(f"/mode/{subject}", {"mode": "IMPORT"}).error == (422, 42205)
    forced = http.put(f"/mode/{subject}?force=True", {"mode": "IMPORT"})
    assert forced.json == {"mode": "IMPORT"}
