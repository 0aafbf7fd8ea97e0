"""What holds for all routes: content types, errors, hosts and origins."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from fakebus.app import FakeBus
from tests.unit.web.http_client import REGISTRY_TYPE, Answer, Http, body
from tests.unit.web.registry.schemas import FIRST
from tests.unit.web.server import connect, http_bus


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, REGISTRY_TYPE),
        ("*/*", REGISTRY_TYPE),
        ("*/anything", REGISTRY_TYPE),
        ("application/*", REGISTRY_TYPE),
        (REGISTRY_TYPE, REGISTRY_TYPE),
        ("application/json", "application/json"),
        ("application/vnd.schemaregistry+json", "application/vnd.schemaregistry+json"),
        (
            "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json;q=0.9, "
            "application/json;q=0.5",
            REGISTRY_TYPE,
        ),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", REGISTRY_TYPE),
        ("application/json;q=0.1, application/vnd.schemaregistry+json;q=0", "application/json"),
        ("", REGISTRY_TYPE),
    ],
)
def test_answers_have_the_content_type_asked_for(
    http: Http, accept: str | None, content_type: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = http.request("GET", "/subjects", headers=headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == content_type


@pytest.mark.parametrize(
    "accept", ["text/plain", "application/xml", "application/json;q=0", "a;q=b"]
)
def test_a_client_that_takes_no_json_gets_406_and_nothing_is_written(
    http: Http, subject: str, accept: str
) -> None:
    answer = http.post(f"/subjects/{subject}/versions", body(FIRST), Accept=accept)
    assert answer.error == (406, 406)
    assert http.get(f"/subjects/{subject}/versions").status == 404


@pytest.mark.parametrize(
    "content_type",
    [
        REGISTRY_TYPE,
        f"{REGISTRY_TYPE}; charset=utf-8",
        "application/vnd.schemaregistry+json",
        "application/json",
        "application/octet-stream",
        None,
    ],
)
def test_bodies_may_have_any_of_the_content_types(
    http: Http, subject: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    data = b'{"schema":"\\"string\\""}'
    assert http.request("POST", f"/subjects/{subject}/versions", data, headers).status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_bodies_that_a_foreign_form_could_send_are_refused(
    http: Http, subject: str, content_type: str
) -> None:
    answer = http.post(f"/subjects/{subject}/versions", body(FIRST), Content_Type=content_type)
    assert answer.error == (415, 415)


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/subjects/",
        "/subjects/a/b/c",
        "/schemas/ids",
        "/exporters",
        "/dek-registry/v1/keks",
        "/contexts/.a/none",
        "/%00",
        "/..%2f..%2fetc%2fpasswd",
    ],
)
def test_an_unknown_path_is_an_error_in_json(http: Http, path: str) -> None:
    answer = http.get(path)
    assert answer.error == (404, 404)
    assert answer.json["message"] == "HTTP 404 Not Found"
    assert answer.headers["Content-Type"] == REGISTRY_TYPE


def test_an_unknown_method_is_an_error_in_json(http: Http) -> None:
    answer = http.request("PATCH", "/subjects")
    assert answer.error == (405, 405)
    assert answer.headers["Allow"] == "GET,HEAD"
    assert http.request("PUT", "/subjects/a/versions/1").error == (405, 405)


def test_a_head_request_has_no_body(http: Http) -> None:
    answer = http.request("HEAD", "/subjects")
    assert (answer.status, answer.body) == (200, b"")


def test_parameters_that_nobody_knows_are_ignored(http: Http) -> None:
    assert http.get("/subjects?unheard=of&deleted=perhaps&deleted").status == 200


@pytest.mark.parametrize("query", ["offset=a", "limit=1.5", "limit=99999999999", "offset=%D9%A1"])
def test_a_number_that_is_none_is_refused(http: Http, query: str) -> None:
    assert http.get(f"/subjects?{query}").error == (404, 404)


def test_credentials_are_neither_needed_nor_refused(http: Http) -> None:
    # What Open edX's empty settings come to: an empty name and an empty password.
    assert http.get("/subjects", Authorization="Basic Og==").status == 200


def test_our_own_failures_are_errors_in_json_and_logged(
    http: Http,
    bus: FakeBus,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> list[str]:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(bus.registry, "contexts", fail)
    with caplog.at_level(logging.ERROR, "fakebus.web"):
        answer = http.get("/contexts")
    assert answer.error == (500, 50001)
    assert "by design" in answer.json["message"]
    assert "ZeroDivisionError" in caplog.text


def test_security_headers_are_on_every_answer(http: Http) -> None:
    for path in ("/subjects", "/none", "/health"):
        headers = http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8081",
        "registry.localhost",
        "127.0.0.1:1",
        "192.168.1.7:8081",
        "[::1]:8081",
        "fakebus:8081",
        "schema-registry",
        "edx.devstack.schema-registry:8081",
        "edx.devstack.kafka",
        "host.docker.internal:8081",
        "fakebus.default.svc.cluster.local",
    ],
)
def test_names_that_no_stranger_can_give_away_are_served(http: Http, host: str) -> None:
    assert http.get("/subjects", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "evil.example:8081",
        "edx.devstack.com",
        "127.0.0.1.nip.io",
        "localhost.evil.com",
        "",
        ".",
        "[::1].evil.com",
    ],
)
@pytest.mark.parametrize("path", ["/subjects", "/health", "/none"])
def test_names_that_anybody_can_point_here_are_refused(http: Http, host: str, path: str) -> None:
    assert http.get(path, Host=host).error == (421, 421)


@pytest.fixture(scope="module")
def named_bus() -> Iterator[FakeBus]:
    with http_bus(allowed_hosts=["Bus.Example.com"]) as running:
        yield running


def test_a_name_can_be_allowed(named_bus: FakeBus) -> None:
    connection = connect(named_bus)
    assert connection.get("/subjects", Host="bus.example.com:8081").status == 200
    assert connection.get("/subjects", Host="other.example.com").status == 421
    connection.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "file://"])
def test_pages_of_others_write_nothing(http: Http, subject: str, origin: str) -> None:
    path = f"/subjects/{subject}/versions"
    assert http.post(path, body(FIRST), Origin=origin).error == (403, 403)
    assert http.delete(f"/subjects/{subject}", Origin=origin).error == (403, 403)
    assert http.put("/config", {"compatibility": "NONE"}, Origin=origin).error == (403, 403)
    assert http.get("/config").json == {"compatibilityLevel": "BACKWARD"}
    assert http.get(path).status == 404


def test_our_own_pages_write(http: Http, subject: str) -> None:
    origin = f"http://{http.authority}"
    assert http.post(f"/subjects/{subject}/versions", body(FIRST), Origin=origin).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_pages_that_hide_their_origin_write_nothing(http: Http, subject: str, site: str) -> None:
    path = f"/subjects/{subject}/versions"
    assert http.post(path, body(FIRST), Sec_Fetch_Site=site).error == (403, 403)
    assert http.get(path, Sec_Fetch_Site=site).status == 404
    assert http.post(path, body(FIRST), Sec_Fetch_Site="same-origin").status == 200
    assert http.post(path, body(FIRST), Sec_Fetch_Site="none").status == 200


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", "multipart/form-data"])
def test_a_page_that_uses_an_address_of_its_own_name_writes_nothing(
    http: Http, subject: str, content_type: str
) -> None:
    # Its name leads here by now: to the browser the page and the registry are one origin.
    own = {"Host": "evil.example", "Origin": "http://evil.example", "Content-Type": content_type}
    answer = http.request("POST", f"/subjects/{subject}/versions", b'{"schema": "\\"int\\""}', own)
    assert answer.error == (421, 421)
    assert http.get(f"/subjects/{subject}/versions").status == 404


def test_refusals_and_deletions_have_one_line_each(
    http: Http, subject: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/subjects/{subject}/versions"

    def lines(level: int) -> list[str]:
        found = [each.getMessage() for each in caplog.records if each.levelno == level]
        caplog.clear()
        return found

    with caplog.at_level(logging.DEBUG, "fakebus.web"):
        http.post(path, {"schema": "{"})
        [line] = lines(logging.DEBUG)
        assert line.startswith(f"POST {path} of 127.0.0.1 answers 422: ")
        http.register(subject, FIRST)
        http.get(path)
        assert lines(logging.DEBUG) == [
            f"POST {path} of 127.0.0.1 answers 200",
            f"GET {path} of 127.0.0.1 answers 200",
        ]
        http.delete(f"/subjects/{subject}")
        assert lines(logging.INFO) == [f"DELETE /subjects/{subject} of 127.0.0.1 answers 200"]
        http.delete(f"/subjects/{subject}")
        [line] = lines(logging.DEBUG)
        assert " answers 404: " in line
        for _ in range(20):
            http.get(path, Host="evil.example")
            http.post(path, {}, Origin="http://evil.example")
        refused = lines(logging.WARNING)
    assert len(refused) == 10
    assert {" 421: " in each or " 403: " in each for each in refused} == {True}


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_a_body_may_be_in_any_encoding_of_unicode(http: Http, subject: str, encoding: str) -> None:
    schema = {"type": "enum", "name": "E", "symbols": ["A"], "doc": "größe 🚌"}
    data = json.dumps(body(schema), ensure_ascii=False).encode(encoding)
    assert _send(http, subject, data).status == 200
    stored = http.get(f"/subjects/{subject}/versions/1/schema").json
    assert stored["doc"] == schema["doc"]


def test_half_a_character_is_refused_in_any_encoding(http: Http, subject: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        data = '{"schema": "\\ud800"}'.encode(encoding)
        assert _send(http, subject, data).error == (400, 400)
    assert _send(http, subject, b'{"schema": "\xed\xa0\x80"}').error == (400, 400)
    for kind in ("AVRO", "JSON"):
        schema = body({"type": "string", "a": "\ud800"}, schemaType=kind)
        assert http.post(f"/subjects/{subject}/versions", schema).error == (422, 42201)


def _send(http: Http, subject: str, data: bytes) -> Answer:
    headers = {"Content-Type": REGISTRY_TYPE}
    return http.request("POST", f"/subjects/{subject}/versions", data, headers)
