"""/subjects/{subject}/versions: register, list, read, delete."""

from __future__ import annotations

import json

import pytest

from tests.unit.web.http_client import Http, body
from tests.unit.web.registry.schemas import (
    CUSTOMER,
    FIRST,
    JSON_SCHEMA,
    SALE,
    SECOND,
    THIRD,
    named,
)


def test_registering_twice_gives_the_same_id_and_no_new_version(http: Http, subject: str) -> None:
    first = http.register(subject, FIRST)
    second = http.register(subject, SECOND)
    assert first != second
    assert http.register(subject, FIRST) == first
    assert http.get(f"/subjects/{subject}/versions").json == [1, 2]
    assert http.register(f"{subject}-other", FIRST) == first


def test_registering_answers_the_id_alone_to_old_clients(http: Http, subject: str) -> None:
    answer = http.post(f"/subjects/{subject}/versions?normalize=False", body(FIRST))
    assert answer.status == 200
    assert set(answer.json) == {"id"}
    assert answer.headers["Content-Type"] == "application/vnd.schemaregistry.v1+json"


def test_registering_answers_all_to_clients_that_ignore_what_they_do_not_know(
    http: Http, subject: str
) -> None:
    answer = http.post(
        f"/subjects/{subject}/versions",
        body(JSON_SCHEMA, schemaType="JSON"),
        Confluent_Accept_Unknown_Properties="true",
    )
    content = answer.json
    assert content["version"] == 1
    assert content["subject"] == subject
    assert content["schemaType"] == "JSON"
    assert json.loads(content["schema"]) == JSON_SCHEMA
    assert len(content["guid"]) == 36


def test_empty_fields_are_left_out(http: Http, subject: str) -> None:
    http.register(subject, FIRST, references=[], metadata=None, ruleSet=None, schemaType=None)
    answer = http.get(f"/subjects/{subject}/versions/1").json
    assert set(answer) == {"subject", "version", "id", "guid", "schema", "ts"}


def test_what_is_deleted_is_marked(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    http.delete(f"/subjects/{subject}")
    assert http.get(f"/subjects/{subject}/versions/1?deleted=true").json["deleted"] is True


def test_an_incompatible_schema_is_refused_with_409(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    answer = http.post(f"/subjects/{subject}/versions", body(THIRD))
    assert answer.error == (409, 409)
    assert http.get(f"/subjects/{subject}/versions").json == [1]


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("", {}),
        ("{", {}),
        ('{"type":"nonsense"}', {}),
        ('{"type":"record","name":"a"}', {}),
        ('{"type":', {"schemaType": "JSON"}),
        ('{"type":"nonsense"}', {"schemaType": "JSON"}),
        ('"string"', {"schemaType": "XML"}),
        (SALE, {}),
        (SALE, {"references": [{"name": "Customer", "subject": "missing", "version": 1}]}),
    ],
)
def test_an_invalid_schema_is_refused_with_42201_and_nothing_is_kept(
    http: Http, subject: str, schema: object, fields: dict[str, object]
) -> None:
    answer = http.post(f"/subjects/{subject}/versions", body(schema, **fields))
    assert answer.error == (422, 42201)
    assert answer.seconds < 9
    assert http.get(f"/subjects/{subject}/versions?deleted=true").error == (404, 40401)


def test_references_are_kept_and_found_backwards(http: Http, subject: str) -> None:
    http.register(f"{subject}-customer", CUSTOMER)
    reference = {"name": "Customer", "subject": f"{subject}-customer", "version": 1}
    schema_id = http.register(subject, SALE, references=[reference])
    assert http.get(f"/schemas/ids/{schema_id}").json["references"] == [reference]
    backwards = f"/subjects/{subject}-customer/versions/1/referencedby"
    assert http.get(backwards).json == [schema_id]
    assert http.get(f"{backwards}?offset=1").json == []
    assert http.delete(f"/subjects/{subject}-customer/versions/1").error == (422, 42206)
    http.delete(f"/subjects/{subject}")
    assert http.get(backwards).json == []
    assert http.get(f"{backwards}?deleted=true").json == [schema_id]


def test_a_version_is_read_by_number_and_as_latest(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    http.register(subject, SECOND)
    path = f"/subjects/{subject}/versions"
    assert http.get(f"{path}/1").json["version"] == 1
    assert http.get(f"{path}/latest").json["version"] == 2
    assert http.get(f"{path}/-1").json["version"] == 2
    assert json.loads(http.get(f"{path}/2").json["schema"]) == SECOND


@pytest.mark.parametrize("suffix", ["", "/schema", "/referencedby"])
def test_a_version_that_is_not_there_is_said_to_be_missing(
    http: Http, subject: str, suffix: str
) -> None:
    path = f"/subjects/{subject}/versions"
    assert http.get(f"{path}/1{suffix}").error == (404, 40401)
    http.register(subject, FIRST)
    assert http.get(f"{path}/2{suffix}").error == (404, 40402)
    for wrong in ("0", "-2", "first", "2147483648", "99999999999999999999", "1_0"):
        assert http.get(f"{path}/{wrong}{suffix}").error == (422, 42202), wrong


def test_the_text_of_a_schema_comes_without_quotes(http: Http, subject: str) -> None:
    http.register(subject, FIRST)
    assert http.get(f"/subjects/{subject}/versions/1/schema").json == FIRST


def test_a_version_is_deleted_softly_and_then_for_ever(http: Http, subject: str) -> None:
    path = f"/subjects/{subject}/versions"
    assert http.delete(f"{path}/1").error == (404, 40401)
    http.register(subject, FIRST)
    schema_id = http.register(subject, SECOND)
    assert http.delete(f"{path}/3").error == (404, 40402)
    assert http.delete(f"{path}/first").error == (422, 42202)
    assert http.delete(f"{path}/1?permanent=true").error == (404, 40407)
    assert http.delete(f"{path}/1").json == 1
    assert http.delete(f"{path}/1").error == (404, 40406)
    assert http.get(f"{path}/1").error == (404, 40402)
    assert http.get(f"{path}/1?deleted=true").json["version"] == 1
    assert http.get(path).json == [2]
    assert http.get(f"{path}?deleted=true").json == [1, 2]
    assert http.get(f"{path}?deletedOnly=true").json == [1]
    assert sorted(http.get(f"{path}?deleted=true&deletedAsNegative=true").json) == [-1, 2]
    assert http.delete(f"{path}/1?permanent=true").json == 1
    assert http.get(f"{path}?deleted=true").json == [2]
    assert http.delete(f"{path}/latest").json == 2
    assert http.get(f"/schemas/ids/{schema_id}").status == 200


def test_what_is_registered_again_after_its_deletion_keeps_its_id(http: Http, subject: str) -> None:
    schema_id = http.register(subject, named("Again"))
    http.delete(f"/subjects/{subject}")
    assert http.register(subject, named("Again")) == schema_id
    assert http.get(f"/subjects/{subject}/versions").json == [2]


def test_metadata_and_rules_are_kept(http: Http, subject: str) -> None:
    metadata = {"properties": {"owner": "me"}, "tags": {"**.id": ["PII"]}}
    rule = {
        **{"name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true"},
        **{"doc": "why", "tags": ["PII"], "params": {"a": "1"}, "onFailure": "DLQ"},
        "disabled": True,
    }
    http.register(subject, FIRST, metadata=metadata, ruleSet={"domainRules": [rule]})
    answer = http.get(f"/subjects/{subject}/versions/1").json
    assert answer["metadata"] == metadata
    (kept,) = answer["ruleSet"]["domainRules"]
    assert kept.items() >= rule.items()


def test_a_rule_may_have_a_long_name_and_several_actions(http: Http, subject: str) -> None:
    rule = {"name": "_é-" + "r" * 253, "type": "CEL", "mode": "WRITEREAD", "onFailure": "DLQ,ERROR"}
    http.register(subject, FIRST, ruleSet={"domainRules": [rule]})
    (kept,) = http.get(f"/subjects/{subject}/versions/1").json["ruleSet"]["domainRules"]
    assert kept.items() >= rule.items()


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"name": "1 wrong name", "type": "CEL", "mode": "WRITE"},
        {"name": "r", "mode": "WRITE"},
        {"name": "r", "type": "CEL", "mode": "UPGRADE"},
        {"name": "", "type": "CEL"},
        {"name": "r\n", "type": "CEL"},
        {"name": "r" * 257, "type": "CEL"},
        {"name": "r", "type": "CEL", "kind": "OTHER"},
        {"name": "r", "type": "CEL", "mode": "WRITE", "onFailure": "DLQ,ERROR"},
    ],
)
def test_a_rule_that_is_not_valid_is_refused_with_42210(
    http: Http, subject: str, rule: dict[str, object]
) -> None:
    request = body(FIRST, ruleSet={"domainRules": [rule]})
    assert http.post(f"/subjects/{subject}/versions", request).error == (422, 42210)
    assert http.get(f"/subjects/{subject}/versions").error == (404, 40401)
