"""The token that HTTP clients may have to show: who comes in, and who does not."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from fakebus.app import FakeBus
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.errors import ConfigError
from fakebus.web.routing import routes
from tests.unit.web.console.pages import BROWSER
from tests.unit.web.http_client import Http
from tests.unit.web.server import connect, http_bus

TOKEN = "correct horse: b\u00e4ttery"
OPEN = ("/health", "/ready")


@pytest.fixture(scope="module")
def guarded() -> Iterator[FakeBus]:
    """A bus that asks for a token."""
    with http_bus(configs={"fakebus.http.token": TOKEN}) as bus:
        yield bus


@pytest.fixture
def http(guarded: FakeBus) -> Iterator[Http]:
    connection = connect(guarded)
    yield connection
    connection.close()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(token: str) -> str:
    return "Bearer " + token.encode().decode("latin-1")


@pytest.mark.parametrize(
    "shown",
    [
        "",
        TOKEN.encode().decode("latin-1"),
        bearer(""),
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "x"),
        bearer(TOKEN.upper()),
        basic("", ""),
        basic(TOKEN, ""),
        basic("fakebus", TOKEN[:-1]),
        "Basic " + base64.b64encode(TOKEN.encode()).decode(),
        "Basic %%%",
        "Digest " + TOKEN.encode().decode("latin-1"),
    ],
)
def test_a_wrong_token_is_refused(http: Http, shown: str) -> None:
    headers = {"Authorization": shown} if shown else {}
    for path in ("/ui", "/ui/static/console.css", "/subjects", "/_fakebus/v1/clients"):
        answer = http.request("GET", path, None, headers)
        assert answer.error == (401, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert TOKEN not in answer.body.decode()


def test_no_route_is_open_but_those_that_tell_whether_the_bus_lives(http: Http) -> None:
    for route in routes():
        for path in route.paths(""):
            asked = path.replace("{", "").replace("}", "")
            answer = http.request(route.method, asked, None, {"Accept": "*/*"})
            assert (answer.status == 401) == (asked not in OPEN), asked
    assert http.request("GET", "/", None, {"Accept": BROWSER}).status == 401
    assert http.request("GET", "/health/", None, {}).status == 401
    assert http.request("GET", "//health", None, {}).status == 401
    assert http.request("GET", "/health/../subjects", None, {}).status == 401


@pytest.mark.parametrize(
    "shown", [bearer(TOKEN), basic("any", TOKEN), "bEARER" + bearer(TOKEN)[6:]]
)
def test_who_shows_the_token_is_served(http: Http, shown: str) -> None:
    for path in ("/ui", "/subjects", "/_fakebus/v1/clients"):
        assert http.request("GET", path, None, {"Authorization": shown}).status == 200


def test_a_token_does_not_let_pages_of_others_write(http: Http) -> None:
    headers = {"Authorization": bearer(TOKEN), "Origin": "http://evil.example"}
    assert http.request("POST", "/_fakebus/v1/records", b"{}", headers).status == 403
    assert http.get("/ui", Host="evil.example", Authorization=bearer(TOKEN)).status == 421


def test_clients_of_the_registry_and_our_own_have_it_in_their_url(guarded: FakeBus) -> None:
    where = guarded.http_url.removeprefix("http://")
    secret = "correct%20horse%3A%20b%C3%A4ttery"
    client = SchemaRegistryClient({"url": f"http://any:{secret}@{where}"})
    assert client.register_schema("s", Schema('"string"', "AVRO")) == 1
    assert BusHttp(f"http://any:{secret}@{where}").get("/clients") is not None
    with pytest.raises(BusHttpError, match="show the token"):
        BusHttp(guarded.http_url).get("/clients")
    with pytest.raises(BusHttpError) as refused:
        BusHttp(f"http://any:{secret}@127.0.0.1:1").get("/clients")
    assert secret not in str(refused.value)


def test_a_token_that_keeps_nobody_out_is_refused() -> None:
    with (
        pytest.raises(ConfigError, match="at least 16"),
        http_bus(configs={"fakebus.http.token": "short"}),
    ):
        pass
