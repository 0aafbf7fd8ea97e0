"""/config: compatibility level and what else is set."""

from __future__ import annotations

from tests.unit.web.http_client import Http
from tests.unit.web.registry.schemas import FIRST


def test_the_global_level_is_backward_until_it_is_changed(fresh: Http) -> None:
    assert fresh.get("/config").json == {"compatibilityLevel": "BACKWARD"}
    assert fresh.put("/config", {"compatibility": "full"}).json == {"compatibility": "FULL"}
    assert fresh.get("/config").json == {"compatibilityLevel": "FULL"}
    assert fresh.delete("/config").json == {"compatibilityLevel": "FULL"}
    assert fresh.get("/config").json == {"compatibilityLevel": "BACKWARD"}


def test_a_subjects_level_is_its_own_or_missing(http: Http, subject: str) -> None:
    path = f"/config/{subject}"
    assert http.get(path).error == (404, 40408)
    assert http.get(f"{path}?defaultToGlobal=true").json == {"compatibilityLevel": "BACKWARD"}
    assert http.delete(path).error == (404, 40401)
    assert http.put(path, {"compatibility": "NONE"}).json == {"compatibility": "NONE"}
    assert http.get(path).json == {"compatibilityLevel": "NONE"}
    assert http.delete(path).json == {"compatibilityLevel": "NONE"}
    assert http.get(path).error == (404, 40408)


def test_what_kafkajs_does_before_it_registers(http: Http, subject: str) -> None:
    assert http.get(f"/config/{subject}").status == 404
    http.register(subject, FIRST)
    answer = http.put(f"/config/{subject}", {"compatibility": "BACKWARD"})
    assert answer.json == {"compatibility": "BACKWARD"}


def test_an_unknown_level_is_refused(http: Http, subject: str) -> None:
    for level in ("SIDEWARD", "", " FULL"):
        assert http.put(f"/config/{subject}", {"compatibility": level}).error == (422, 42203)
        assert http.put("/config", {"compatibility": level}).error == (422, 42203)
    assert http.get(f"/config/{subject}").error == (404, 40408)


def test_other_fields_are_kept(http: Http, subject: str) -> None:
    changes = {"normalize": True, "compatibilityGroup": "major", "validateFields": False}
    assert http.put(f"/config/{subject}", changes).json == changes
    assert http.get(f"/config/{subject}").json.items() >= changes.items()


def test_a_field_of_the_wrong_type_is_refused(http: Http, subject: str) -> None:
    wrong: list[dict[str, object]] = [
        {"compatibility": 1},
        {"normalize": "perhaps"},
        {"defaultMetadata": []},
        {"alias": {}},
    ]
    for changes in wrong:
        assert http.put(f"/config/{subject}", changes).error == (400, 400)
