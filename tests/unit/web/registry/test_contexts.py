"""/contexts: every route again, for the subjects and ids of one context."""

from __future__ import annotations

import json

import pytest

from tests.unit.web.http_client import Http, body
from tests.unit.web.registry.schemas import CUSTOMER, FIRST, SALE, SECOND, named


def test_a_subject_of_a_context_has_its_qualified_name(http: Http, subject: str) -> None:
    answer = http.post(f"/contexts/.first/subjects/{subject}/versions", body(FIRST))
    assert answer.status == 200
    qualified = f":.first:{subject}"
    for path in (
        f"/contexts/.first/subjects/{subject}/versions/1",
        f"/contexts/first/subjects/{subject}/versions/1",
        f"/contexts/:.first:/subjects/{subject}/versions/1",
        f"/contexts/.other/subjects/{qualified}/versions/1",
        f"/subjects/{qualified}/versions/1",
    ):
        assert http.get(path).json["subject"] == qualified, path
    assert http.get(f"/subjects/{subject}/versions").error == (404, 40401)


def test_ids_are_counted_in_each_context(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    path = f"/contexts/.{subject}"
    answer = http.post(f"{path}/subjects/s/versions", body(named("InContext")))
    assert answer.json == {"id": 1}
    assert json.loads(http.get(f"{path}/schemas/ids/1").json["schema"]) == named("InContext")
    by_hint = http.get(f"/schemas/ids/1?subject=:.{subject}:")
    assert json.loads(by_hint.json["schema"]) == named("InContext")
    assert http.get(f"{path}/schemas/ids/1/subjects").json == [f":.{subject}:s"]
    assert http.get(f"{path}/schemas/ids/2").error == (404, 40403)


def test_references_are_told_with_their_context_if_that_is_asked_for(
    http: Http, subject: str
) -> None:
    path = f"/contexts/.{subject}"
    http.post(f"{path}/subjects/customer/versions", body(CUSTOMER))
    reference = {"name": "Customer", "subject": "customer", "version": 1}
    http.post(f"{path}/subjects/sale/versions", body(SALE, references=[reference]))
    for where in (f"{path}/subjects/sale/versions/1", f"{path}/schemas/ids/2"):
        assert http.get(where).json["references"] == [reference]
        qualified = {**reference, "subject": f":.{subject}:customer"}
        for name in ("referenceFormat", "reference_format"):
            assert http.get(f"{where}?{name}=qualified").json["references"] == [qualified]
    assert http.get(f"{path}/subjects/customer/versions/1/referencedby").json == [2]
    # In the default context nothing has to be said.
    http.register(f"{subject}-customer", CUSTOMER)
    reference["subject"] = f"{subject}-customer"
    http.register(subject, SALE, references=[reference])
    found = http.get(f"/subjects/{subject}/versions/1?referenceFormat=qualified")
    assert found.json["references"] == [reference]


def test_lists_are_those_of_the_context(http: Http, subject: str) -> None:
    path = f"/contexts/.{subject}"
    http.post(f"{path}/subjects/one/versions", body(FIRST))
    http.post(f"{path}/subjects/two/versions", body(FIRST))
    assert http.get(f"{path}/subjects").json == [f":.{subject}:one", f":.{subject}:two"]
    assert http.get(f"{path}/subjects?subjectPrefix=o").json == [f":.{subject}:one"]
    assert len(http.get(f"{path}/schemas").json) == 2
    assert http.get(f"/subjects?subjectPrefix=:.{subject}:t").json == [f":.{subject}:two"]
    assert f":.{subject}:one" in http.get("/subjects").json
    assert f":.{subject}:one" not in http.get("/subjects?subjectPrefix=").json


def test_contexts_are_listed_and_deleted_when_empty(http: Http, subject: str) -> None:
    path = f"/contexts/.{subject}"
    assert http.delete(path).error == (404, 40401)
    http.post(f"{path}/subjects/one/versions", body(FIRST))
    contexts = http.get("/contexts").json
    assert contexts[0] == "."
    assert f".{subject}" in contexts
    assert http.get(f"/contexts?contextPrefix=.{subject}").json == [f".{subject}"]
    assert http.delete(path).error == (422, 42211)
    http.delete(f"{path}/subjects/one")
    http.delete(f"{path}/subjects/one?permanent=true")
    answer = http.delete(path)
    assert (answer.status, answer.body) == (204, b"")
    assert f".{subject}" not in http.get("/contexts").json


def test_a_context_has_a_config_and_a_mode(http: Http, subject: str) -> None:
    path = f"/contexts/.{subject}"
    assert http.put(f"{path}/config", {"compatibility": "NONE"}).json == {"compatibility": "NONE"}
    assert http.get(f"{path}/config").json == {"compatibilityLevel": "NONE"}
    assert http.get(f"{path}/config/s?defaultToGlobal=true").json == {"compatibilityLevel": "NONE"}
    assert http.get("/config").json == {"compatibilityLevel": "BACKWARD"}
    assert http.put(f"{path}/mode", {"mode": "READONLY"}).json == {"mode": "READONLY"}
    assert http.post(f"{path}/subjects/s/versions", body(SECOND)).error == (422, 42205)
    assert http.get("/mode").json == {"mode": "READWRITE"}
    assert http.delete(f"{path}/mode").json == {"mode": "READONLY"}
    assert http.delete(f"{path}/config").json == {"compatibilityLevel": "NONE"}


@pytest.mark.parametrize(
    "path", ["/schemas/types", "/associations/subjects/s", "/contexts/./config"]
)
def test_what_belongs_to_no_context_answers_there_too(http: Http, path: str) -> None:
    prefix = "" if path.startswith("/contexts") else "/contexts/.any"
    assert http.get(prefix + path).status == 200


def test_a_name_with_colons_inside_is_no_context(http: Http) -> None:
    assert http.get("/contexts/.two:colons/subjects").error == (404, 40401)
