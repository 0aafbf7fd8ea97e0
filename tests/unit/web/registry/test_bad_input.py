"""Input that is wrong, huge, endless or meant to hurt: refused at once, and nothing changes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.unit.web.http_client import REGISTRY_TYPE, Answer, Http, body
from tests.unit.web.registry.schemas import FIRST

DEEP = 100_000
LARGEST = 30_000
"""Levels that still fit into the largest schema."""


def everything(http: Http) -> tuple[bytes, ...]:
    paths = ("/schemas?deleted=true", "/subjects?deleted=true", "/config", "/mode", "/contexts")
    return tuple(http.get(path).body for path in paths)


@pytest.fixture(autouse=True)
def _nothing_changes(http: Http) -> Iterator[None]:
    before = everything(http)
    yield
    assert everything(http) == before


def send(http: Http, subject: str, data: bytes) -> Answer:
    answer = http.request(
        "POST", f"/subjects/{subject}/versions", data, {"Content-Type": REGISTRY_TYPE}
    )
    assert answer.seconds < 9
    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"nonsense",
        b'{"schema": "\\"string\\""',
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"schema": "\xff"}',
        b'{"schema": "\\ud800"}',
        b'{"schema": 1}',
        b'{"schema": {"type": "string"}}',
        b'{"schema": "\\"string\\"", "schemaType": 1}',
        b'{"schema": "\\"string\\"", "references": {}}',
        b'{"schema": "\\"string\\"", "references": [1]}',
        b'{"schema": "\\"string\\"", "references": [{"name": 1}]}',
        b'{"schema": "\\"string\\"", "references": [{"version": "1"}]}',
        b'{"schema": "\\"string\\"", "references": [{"version": true}]}',
        b'{"schema": "\\"string\\"", "metadata": []}',
        b'{"schema": "\\"string\\"", "ruleSet": "x"}',
        b'{"schema": "\\"string\\"", "id": "1"}',
        b'{"schema": "\\"string\\"", "id": 1e3}',
        b'{"schema": "\\"string\\"", "version": 99999999999999999999}',
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"metadata": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b'{"metadata": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    ],
    ids=lambda data: data[:40].decode(errors="replace"),
)
def test_a_body_that_is_no_request_is_refused(http: Http, subject: str, data: bytes) -> None:
    assert send(http, subject, data).error == (400, 400)


def test_an_empty_body_is_an_empty_schema(http: Http, subject: str) -> None:
    for data in (b"", b"{}", b'{"schema": null}'):
        assert send(http, subject, data).error == (422, 42201)
    assert http.request("PUT", f"/mode/{subject}").error == (422, 42204)


@pytest.mark.parametrize("size", [10_000_000, 20_000_000])
def test_a_huge_schema_is_refused(http: Http, subject: str, size: int) -> None:
    schema = {"type": "enum", "name": "Huge", "symbols": ["A"], "doc": "x" * size}
    answer = send(http, subject, json.dumps(body(schema)).encode())
    assert answer.status in (413, 422)
    assert answer.error in ((422, 42209), (413, 413))


@pytest.mark.parametrize(
    ("schema_type", "schema"),
    [
        ("AVRO", '{"type":"array","items":' * LARGEST + '"string"' + "}" * LARGEST),
        ("AVRO", "[" * DEEP + "]" * DEEP),
        ("JSON", '{"not":' * DEEP + "{}" + "}" * DEEP),
        ("JSON", "[" * DEEP + "]" * DEEP),
    ],
    ids=["avro", "avro-union", "json", "json-array"],
)
def test_a_deeply_nested_schema_is_refused(
    http: Http, subject: str, schema_type: str, schema: str
) -> None:
    data = json.dumps(body(schema, schemaType=schema_type)).encode()
    assert send(http, subject, data).error == (422, 42201)


def test_a_reference_to_itself_or_to_nothing_is_refused(http: Http, subject: str) -> None:
    schema = {"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}]}
    for reference in (
        {"name": "B", "subject": subject, "version": 1},
        {"name": "B", "subject": subject, "version": -1},
        {"name": "B", "subject": "", "version": 1},
        {"name": "", "subject": subject, "version": 1},
        {},
    ):
        data = json.dumps(body(schema, references=[reference])).encode()
        assert send(http, subject, data).error == (422, 42201), reference


def test_a_subject_without_a_printable_name_is_refused(http: Http) -> None:
    for name in ("%00", "a%0Ab", "%20%7F"):
        answer = http.post(f"/subjects/{name}/versions", body(FIRST))
        assert answer.error == (422, 42208), name


@pytest.fixture
def removed(http: Http, subject: str) -> Iterator[str]:
    """A subject that is gone for ever afterwards."""
    yield subject
    http.delete(f"/subjects/{subject}")
    http.delete(f"/subjects/{subject}?permanent=true")


def test_a_pattern_that_takes_exponential_time_is_never_run(http: Http, removed: str) -> None:
    schema = {"type": "string", "pattern": "^(a+)+$", "default": "a" * 40 + "!"}
    answer = http.post(f"/subjects/{removed}/versions", body(schema, schemaType="JSON"))
    assert answer.seconds < 9
    assert answer.status == 200
    changed = schema | {"pattern": "^((a|aa)+)+$"}
    path = f"/compatibility/subjects/{removed}/versions/latest"
    answer = http.post(path, body(changed, schemaType="JSON"))
    assert answer.seconds < 9
    assert answer.json == {"is_compatible": False}


def test_a_compressed_body_is_refused(http: Http, subject: str) -> None:
    headers = {"Content-Encoding": "gzip"}
    answer = http.request("POST", f"/subjects/{subject}/versions", b"no gzip", headers)
    assert answer.error == (415, 415)
    # The connection can be used on.
    assert http.get("/subjects").status == 200


def test_a_client_that_leaves_in_the_middle_is_no_failure_of_ours(
    http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = http.authority.split(":")
    head = b"POST /subjects/a/versions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head + b"{")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
    assert http.get("/subjects").status == 200
    assert caplog.records == []


def test_a_long_subject_is_one_like_others(http: Http) -> None:
    assert http.get(f"/subjects/{'a' * 20_000}/versions").error == (404, 40401)


def test_a_number_of_thousands_of_digits_is_told_without_advice_on_python(
    http: Http, subject: str
) -> None:
    digits = "1" * 5000
    schema = json.dumps(f'{{"type": "fixed", "name": "F", "size": {digits}}}')
    for field in (f'"schema": {schema}', f'"schema": "1", "id": {digits}'):
        told = send(http, subject, f"{{{field}}}".encode()).json["message"]
        assert "a number has too many digits" in told
        assert "set_int" not in told


@pytest.mark.parametrize(("levels", "told"), [(99, "Invalid schema"), (100, "nested too deeply")])
def test_a_body_is_nested_as_deeply_as_it_can_be_written_again(
    http: Http, subject: str, levels: int, told: str
) -> None:
    # The body itself is the first level.
    deep = b"[" * levels + b"]" * levels
    answer = send(http, subject, b'{"schema": "{", "unknown": ' + deep + b"}")
    assert told in answer.json["message"], answer.json
