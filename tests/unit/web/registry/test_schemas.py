"""/schemas: by id, by guid, all of them."""

from __future__ import annotations

import json

from tests.unit.web.http_client import Http
from tests.unit.web.registry.schemas import FIRST, JSON_SCHEMA, SECOND, named


def test_an_id_is_answered_even_if_the_subject_named_does_not_exist(
    http: Http, subject: str
) -> None:
    schema_id = http.register(f"{subject}-org.example.Event", FIRST)
    answer = http.get(f"/schemas/ids/{schema_id}?subject={subject}-value")
    assert answer.status == 200
    assert set(answer.json) == {"subject", "version", "guid", "schema", "ts"}
    assert json.loads(answer.json["schema"]) == FIRST


def test_an_id_that_is_not_there_is_said_to_be_missing(http: Http) -> None:
    for suffix in ("", "/schema", "/subjects", "/versions"):
        assert http.get(f"/schemas/ids/999999{suffix}").error == (404, 40403)
        assert http.get(f"/schemas/ids/none{suffix}").error == (404, 404)
        assert http.get(f"/schemas/ids/99999999999{suffix}").error == (404, 404)


def test_the_subjects_and_versions_of_an_id_are_listed(http: Http, subject: str) -> None:
    schema_id = http.register(f"{subject}-a", named(subject.replace("-", "_")))
    http.register(f"{subject}-b", named(subject.replace("-", "_")))
    path = f"/schemas/ids/{schema_id}"
    assert sorted(http.get(f"{path}/subjects").json) == [f"{subject}-a", f"{subject}-b"]
    assert len(http.get(f"{path}/subjects?limit=1").json) == 1
    versions = http.get(f"{path}/versions").json
    assert sorted(versions, key=lambda found: str(found["subject"])) == [
        {"subject": f"{subject}-a", "version": 1},
        {"subject": f"{subject}-b", "version": 1},
    ]
    http.delete(f"/subjects/{subject}-a")
    assert http.get(f"{path}/subjects").json == [f"{subject}-b"]
    assert len(http.get(f"{path}/subjects?deleted=true").json) == 2
    assert len(http.get(f"{path}/versions?deleted=true").json) == 2
    assert http.get(f"{path}?includeSubjects=true").json["subjects"] == [f"{subject}-b"]


def test_the_highest_id_is_answered_if_asked(http: Http, subject: str) -> None:
    schema_id = http.register(subject, named("Highest"))
    assert "maxId" not in http.get(f"/schemas/ids/{schema_id}").json
    assert http.get(f"/schemas/ids/{schema_id}?fetchMaxId=true").json["maxId"] >= schema_id


def test_the_text_alone_comes_without_quotes(http: Http, subject: str) -> None:
    schema_id = http.register(subject, FIRST)
    assert http.get(f"/schemas/ids/{schema_id}/schema").json == FIRST


def test_a_guid_leads_to_the_schema_and_its_ids(http: Http, subject: str) -> None:
    schema_id = http.register(subject, JSON_SCHEMA, schemaType="JSON")
    guid = http.get(f"/schemas/ids/{schema_id}").json["guid"]
    answer = http.get(f"/schemas/guids/{guid}?format=").json
    assert answer["schemaType"] == "JSON"
    assert json.loads(answer["schema"]) == JSON_SCHEMA
    ids = http.get(f"/schemas/guids/{guid}/ids").json
    assert ids == [{"context": ".", "id": schema_id}]
    unknown = "00000000-0000-0000-0000-000000000000"
    for path in (unknown, f"{unknown}/ids", "nonsense", "nonsense/ids"):
        assert http.get(f"/schemas/guids/{path}").error == (404, 40403)


def test_the_languages_are_listed(http: Http) -> None:
    assert set(http.get("/schemas/types").json) == {"AVRO", "JSON", "PROTOBUF"}


def test_all_schemas_are_listed(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    http.register(subject, SECOND)
    path = f"/schemas?subjectPrefix={subject}"
    assert [found["version"] for found in http.get(path).json] == [1, 2]
    assert [found["version"] for found in http.get(f"{path}&latestOnly=true").json] == [2]
    assert [found["version"] for found in http.get(f"{path}&offset=1&limit=1").json] == [2]
    http.delete(f"/subjects/{subject}/versions/1")
    assert [found["version"] for found in http.get(path).json] == [2]
    assert [found["version"] for found in http.get(f"{path}&deleted=true").json] == [1, 2]
