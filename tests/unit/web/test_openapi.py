"""The description, and whether the server does what it says."""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import Any

import yaml

from fakebus.app import FakeBus
from fakebus.web import openapi
from fakebus.web.openapi import description
from fakebus.web.rooms import all_rooms
from fakebus.web.routing import routes, web_routes
from tests.unit.web.http_client import Http

ROOMS = all_rooms(FakeBus())
DESCRIPTION: dict[str, Any] = description(ROOMS)


def documented() -> set[tuple[str, str]]:
    paths = DESCRIPTION["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_what_is_served_is_documented_and_nothing_else() -> None:
    served = [(each.method, each.path.replace(":[^/]+}", "}")) for each in web_routes(ROOMS)]
    assert len(set(served)) == len(served)
    # A REST Proxy takes a slash at the end of each of its paths.
    assert {each for each in served if not each[1].endswith("/") or each[1] == "/"} == documented()


def test_every_handler_has_a_route() -> None:
    used = {ROOMS[route.room].handler(route.handler) for route in routes()}
    public = {
        function
        for module in {each.__module__ for each in used}
        for name, function in vars(sys.modules[module]).items()
        if inspect.iscoroutinefunction(function)
        and function.__module__ == module
        and not name.startswith("_")
        and len(inspect.signature(function).parameters) == 1
    }
    assert used == public


def test_every_component_is_used_and_what_is_named_is_there() -> None:
    named = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(DESCRIPTION)))
    assert named == set(DESCRIPTION["components"]["schemas"])
    components = yaml.safe_load(openapi._COMPONENTS.read_text())
    assert {name for route in routes() for name in route.query} == set(components["query"])


def test_the_description_is_served(http: Http) -> None:
    answer = http.get("/openapi.json")
    assert answer.json["openapi"] == "3.1.0"
    assert answer.json == DESCRIPTION
    assert answer.headers["Content-Type"].startswith("application/json")


def test_every_operation_has_an_id_of_its_own_and_a_summary() -> None:
    operations = [each for path in DESCRIPTION["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] for each in operations)


def test_a_number_that_is_none_is_a_documented_mistake() -> None:
    components = yaml.safe_load(openapi._COMPONENTS.read_text())
    numbers = {
        name
        for name, (schema, _) in components["query"].items()
        if name not in ("limit", "offset") and schema.get("type") == "integer"
    }
    undocumented = [
        route.path
        for route in routes()
        if numbers & set(route.query)
        and not route.body
        and 400 not in (*route.errors, *ROOMS[route.room].general_errors)
    ]
    assert undocumented == []


def test_a_read_only_registry_answers_what_is_documented(fresh: Http) -> None:
    fresh.register("orders-value", {"type": "string"})
    undocumented = []
    for route in routes():
        if route.room != "registry" or route.method == "GET":
            continue
        operation = DESCRIPTION["paths"][route.path][route.method.lower()]
        path = route.path
        for each in operation["parameters"]:
            path = path.replace(f"{{{each['name']}}}", str(each.get("example")))
        assert fresh.put("/mode", {"mode": "READONLY"}).status == 200
        sent = {"schema": '"string"', "compatibility": "NONE", "mode": "READONLY"}
        ask = {"PUT": fresh.put, "POST": fresh.post}.get(route.method)
        answer = ask(path, sent) if ask else fresh.delete(path)
        if str(answer.status) not in operation["responses"]:
            undocumented.append((route.method, route.path, answer.body))
    assert undocumented == []
