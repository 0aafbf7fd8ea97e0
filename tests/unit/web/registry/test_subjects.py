"""/subjects: list, look up, delete, find by metadata."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.unit.web.http_client import Http, body
from tests.unit.web.registry.schemas import CUSTOMER, FIRST, SALE, SECOND, named


def test_an_empty_registry_has_no_subjects(fresh: Http) -> None:
    assert fresh.get("/subjects").json == []


def test_subjects_are_listed_by_prefix(http: Http, subject: str) -> None:
    http.register(f"{subject}-a", FIRST)
    http.register(f"{subject}-b", FIRST)
    assert http.get(f"/subjects?subjectPrefix={subject}-").json == [f"{subject}-a", f"{subject}-b"]
    assert http.get(f"/subjects?subjectPrefix={subject}-b").json == [f"{subject}-b"]
    assert set(http.get("/subjects").json) >= {f"{subject}-a", f"{subject}-b"}


def test_a_page_of_subjects_is_as_asked(http: Http, subject: str) -> None:
    names = [f"{subject}-{letter}" for letter in "abcd"]
    for name in names:
        http.register(name, FIRST)
    path = f"/subjects?subjectPrefix={subject}-"
    assert http.get(f"{path}&offset=1&limit=2").json == names[1:3]
    assert http.get(f"{path}&offset=3").json == names[3:]
    assert http.get(f"{path}&limit=0").json == []
    assert http.get(f"{path}&offset=-5&limit=-1").json == names


def test_the_python_clients_own_spellings_are_understood(http: Http, subject: str) -> None:
    http.register(f"{subject}-kept", FIRST)
    http.register(f"{subject}-gone", FIRST)
    http.delete(f"/subjects/{subject}-gone")
    query = f"subjectPrefix={subject}&deleted=False&deleted_only=True&offset=0&limit=-1"
    assert http.get(f"/subjects?{query}").json == [f"{subject}-gone"]
    assert http.get(f"/subjects?subject={subject}&deleted=TRUE").json == [
        f"{subject}-gone",
        f"{subject}-kept",
    ]


def test_look_up_finds_the_version_of_a_schema(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    schema_id = http.register(subject, SECOND)
    answer = http.post(f"/subjects/{subject}?normalize=False&deleted=False", body(SECOND))
    assert answer.status == 200
    found = answer.json
    assert (found["subject"], found["version"], found["id"]) == (subject, 2, schema_id)
    assert set(found) == {"subject", "version", "id", "guid", "schema", "ts"}


def test_look_up_says_whether_the_subject_or_the_schema_is_missing(
    http: Http, subject: str
) -> None:
    assert http.post(f"/subjects/{subject}", body(FIRST)).error == (404, 40401)
    http.register(subject, FIRST)
    assert http.post(f"/subjects/{subject}", body(SECOND)).error == (404, 40403)
    assert http.post(f"/subjects/{subject}", body("{")).error == (422, 42201)


def test_look_up_finds_deleted_ones_if_asked(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    http.register(subject, SECOND)
    http.delete(f"/subjects/{subject}/versions/1")
    assert http.post(f"/subjects/{subject}", body(FIRST)).error == (404, 40403)
    assert http.post(f"/subjects/{subject}?deleted=true", body(FIRST)).json["version"] == 1


def test_a_subject_is_deleted_softly_and_then_for_ever(http: Http, subject: str) -> None:
    path = f"/subjects/{subject}"
    assert http.delete(path).error == (404, 40401)
    schema_id = http.register(subject, named("Deleted"))
    assert http.delete(f"{path}?permanent=true").error == (404, 40405)
    assert http.delete(path).json == [1]
    assert http.delete(path).error == (404, 40404)
    assert http.get(f"{path}/versions").error == (404, 40401)
    assert http.get(f"{path}/versions?deleted=true").json == [1]
    assert http.get(f"/schemas/ids/{schema_id}").status == 200
    assert http.delete(f"{path}?permanent=True").json == [1]
    assert http.get(f"{path}/versions?deleted=true").error == (404, 40401)
    assert http.get(f"/schemas/ids/{schema_id}").error == (404, 40403)


def test_a_subject_that_others_refer_to_stays(http: Http, subject: str) -> None:
    http.register(f"{subject}-customer", CUSTOMER)
    reference = {"name": "Customer", "subject": f"{subject}-customer", "version": 1}
    http.register(subject, SALE, references=[reference])
    assert http.delete(f"/subjects/{subject}-customer").error == (422, 42206)
    assert http.get(f"/subjects/{subject}-customer/versions").json == [1]


@pytest.mark.parametrize(
    "name", ["google/api/http.proto", "with space", "ü ñ", "50%", "a+b", "%2F", "{a}", "'\"}{"]
)
def test_any_name_can_be_a_subject(http: Http, subject: str, name: str) -> None:
    full = f"{subject}/{name}"
    path = f"/subjects/{quote(full, safe='')}"
    assert http.post(f"{path}/versions", body(FIRST)).status == 200
    assert http.get(f"{path}/versions").json == [1]
    assert http.get(f"{path}/versions/1").json["subject"] == full
    assert full in http.get("/subjects").json


def test_metadata_finds_the_latest_version_that_has_it(http: Http, subject: str) -> None:
    one = {"properties": {"owner": "team a", "stage": "new"}}
    http.register(subject, FIRST, metadata=one)
    http.register(subject, SECOND, metadata={"properties": {"owner": "b"}})
    path = f"/subjects/{subject}/metadata"
    assert http.get(f"{path}?key=owner&value=b").json["version"] == 2
    found = http.get(f"{path}?key=owner&key=stage&value=team%20a&value=new&deleted=true")
    assert found.json["version"] == 1
    assert found.json["metadata"] == one
    # As confluent-kafka-python encodes it: twice.
    assert http.get(f"{path}?key=owner&value=team%2520a").json["version"] == 1
    assert http.get(f"{path}?key=owner&value=c").status == 404
    assert http.get(f"/subjects/{subject}-none/metadata?key=a&value=b").status == 404


def test_looking_up_nothing_finds_nothing(http: Http, subject: str) -> None:
    assert http.post(f"/subjects/{subject}", {}).error == (404, 40401)
    http.register(subject, {"type": "string"})
    assert http.post(f"/subjects/{subject}", {}).error == (404, 40403)
