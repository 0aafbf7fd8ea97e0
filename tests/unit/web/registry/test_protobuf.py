"""Protobuf over HTTP: schemas that are no JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.app import FakeBus
from tests.unit.web.http_client import Http, body
from tests.unit.web.registry.schemas import FIRST, JSON_SCHEMA, PROTO
from tests.unit.web.server import connect


@pytest.fixture(autouse=True, scope="module")
def _libraries(bus: FakeBus) -> None:
    """The first schema of a language waits for its libraries."""
    connection = connect(bus)
    connection.register("warm-PROTOBUF", PROTO, schemaType="PROTOBUF")
    connection.close()


def test_every_language_can_be_registered_and_only_avro_goes_unnamed(
    http: Http, subject: str
) -> None:
    http.register(f"{subject}-avro", FIRST, schemaType="AVRO")
    http.register(f"{subject}-json", JSON_SCHEMA, schemaType="JSON")
    http.register(f"{subject}-proto", PROTO, schemaType="PROTOBUF")
    path = "/subjects/{}-{}/versions/latest"
    assert "schemaType" not in http.get(path.format(subject, "avro")).json
    assert http.get(path.format(subject, "json")).json["schemaType"] == "JSON"
    assert http.get(path.format(subject, "proto")).json["schemaType"] == "PROTOBUF"


def test_a_schema_comes_in_the_form_asked_for(http: Http, subject: str) -> None:
    schema_id = http.register(subject, PROTO, schemaType="PROTOBUF")
    plain = http.get(f"/schemas/ids/{schema_id}").json
    coded = http.get(f"/schemas/ids/{schema_id}?format=serialized").json
    assert plain["schema"].startswith("syntax")
    assert not coded["schema"].startswith("syntax")
    assert coded["schemaType"] == "PROTOBUF"
    assert http.get(f"/schemas/ids/{schema_id}?format=unheard-of").json == plain


def test_the_text_of_a_schema_comes_as_it_is(http: Http, subject: str) -> None:
    http.register(subject, PROTO, schemaType="PROTOBUF")
    text = http.get(f"/subjects/{subject}/versions/1/schema").body.decode()
    assert text.startswith('syntax = "proto3"')


@pytest.mark.parametrize(
    "schema", ["message {", "", 'syntax="proto3";' + "message A{" * 30_000 + "}" * 30_000]
)
def test_what_is_not_protobuf_is_refused(http: Http, subject: str, schema: str) -> None:
    request = body(schema, schemaType="PROTOBUF")
    answer = http.post(f"/subjects/{subject}/versions", request)
    assert answer.error == (422, 42201)
    assert answer.seconds < 9
    assert http.get(f"/subjects/{subject}/versions").error == (404, 40401)


def test_the_name_of_a_reference_overwrites_no_file(
    http: Http, subject: str, tmp_path: Path
) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    http.register(f"{subject}-base", PROTO, schemaType="PROTOBUF")
    text = f'syntax = "proto3"; import "{victim}"; message A {{}}'
    reference = {"name": str(victim), "subject": f"{subject}-base", "version": 1}
    request = body(text, schemaType="PROTOBUF", references=[reference])
    http.post(f"/subjects/{subject}-base", request)
    http.post(f"/compatibility/subjects/{subject}-base/versions/1", request)
    assert http.post(f"/subjects/{subject}/versions", request).status == 200
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "text",
    [
        'syntax = "proto3"; package k; enum Kind { KIND_UNSPECIFIED = 0; KIND_A = 1; }',
        'syntax = "proto3"; service S {}',
        "package x;",
        "// nothing",
    ],
)
def test_a_file_without_messages_is_registered_like_any(
    http: Http, subject: str, text: str
) -> None:
    request = body(text, schemaType="PROTOBUF")
    assert http.post(f"/subjects/{subject}/versions", request).status == 200
    assert http.post(f"/subjects/{subject}", request).json["version"] == 1
    path = f"/compatibility/subjects/{subject}/versions/latest"
    assert http.post(path, request).json == {"is_compatible": True}
