"""Flows of events that services of Open edX send each other, none of which knows of flows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run
from fakebus.client.bus_http import BusHttp
from tests.openedx.conftest import Site, catalogue, wait_until

pytestmark = [pytest.mark.clients, pytest.mark.timeout(200)]

LOGIN = "org.openedx.learning.auth.session.login.completed.v1"
REGISTRATION = "org.openedx.learning.student.registration.completed.v1"
LOGIN_TOPIC, REGISTRATION_TOPIC = "dev-user-login", "dev-user-registration"
SUBJECT = f"{LOGIN_TOPIC}-{LOGIN}.CloudEvent"


def write_set(directory: Path) -> Path:
    """Write a fixture set of both topics, in which one service wants more than is sent."""
    schema = next(each.schema for each in catalogue() if each.event_type == LOGIN)
    newer = {**schema, "fields": [*schema["fields"], {"name": "realm", "type": "string"}]}
    directory.mkdir()
    (directory / "login.avsc").write_text(json.dumps(schema))
    (directory / "newer.avsc").write_text(json.dumps(newer))
    (directory / "fakebus.yaml").write_text(
        f"""
version: 1
subjects:
  - subject: {SUBJECT}
    schema: login.avsc
    compatibility: NONE
    readers: {{license-manager: newer.avsc}}
topics:
  - {{name: {LOGIN_TOPIC}, partitions: 1, value: {{subject: {SUBJECT}}}}}
  - {{name: {REGISTRATION_TOPIC}, partitions: 1}}
"""
    )
    return directory


def test_the_flow_of_an_event_tells_who_handled_it_and_what_it_caused(
    make_site: Callable[..., Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = make_site(fixtures=(write_set(tmp_path / "set"),))
    consumers = {
        "discovery": ("user-login", "registers"),
        "credentials": ("user-registration", ""),
        "enterprise": ("user-login", "dies"),
        "license-manager": ("user-login", "is newer"),
    }
    for name, (topic, receiver) in consumers.items():
        command = ("consume_events", "-t", topic, "-g", name)
        site.start(*command, name=name, received=f"by-{name}", RECEIVER=receiver)
    for name in consumers:
        site.wait_members(name, 1)
    site.produce(username="ada")
    (login,), (registration,) = (
        site.wait_received(f"by-{name}", 1) for name in ("discovery", "credentials")
    )
    assert (login["event_type"], registration["event_type"]) == (LOGIN, REGISTRATION)
    http = ["--http", site.bus.http_url]

    def flow(*words: str) -> dict[str, Any]:
        run(["flow", *words, "--json", *http])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    def states() -> dict[tuple[str, str], dict[str, Any]]:
        records = flow(f"{LOGIN_TOPIC}[0]@0")["records"]
        return {
            (each["topic"], group["group"]): group for each in records for group in each["groups"]
        }

    wanted = {
        (LOGIN_TOPIC, "discovery"): "handled",
        (LOGIN_TOPIC, "enterprise"): "fetched",
        (LOGIN_TOPIC, "license-manager"): "unreadable",
        (REGISTRATION_TOPIC, "credentials"): "handled",
    }

    def settled() -> dict[tuple[str, str], dict[str, Any]] | None:
        found = states()
        is_settled = {name: each["state"] for name, each in found.items()} == wanted
        refused = found.get((LOGIN_TOPIC, "license-manager"), {}).get("reason", "")
        return found if is_settled and "committed" in refused else None

    groups = wait_until(settled, "the states of all groups")
    cause, effect = f"{LOGIN_TOPIC}[0]@0", f"{REGISTRATION_TOPIC}[0]@0"
    # Headers of Open edX name an event and not its cause, so that nothing is stated.
    (edge,) = flow(cause)["edges"]
    assert {name: edge[name] for name in ("from", "to", "evidence", "by", "rivals")} == {
        **{"from": cause, "to": effect, "evidence": "observed", "by": "fetch", "rivals": 0}
    }
    first, second = flow(effect)["records"]
    names = ("record", "type", "service", "client_id", "origin")
    assert [[each[name] for name in names] for each in (first, second)] == [
        [cause, LOGIN, "lms", "lms", "produced"],
        [effect, REGISTRATION, "discovery", "discovery", "produced"],
    ]
    # Its connection lasts for one command, which may be over before the process is looked for.
    assert first["process"] is None or "run-commands" in first["process"]["command"]
    assert {(group["service"], group["attempts"]) for group in groups.values()} == {
        (name, 1) for name in consumers
    }
    assert groups[LOGIN_TOPIC, "enterprise"]["reason"] == "sent 1 time and not committed"
    refused = groups[LOGIN_TOPIC, "license-manager"]["reason"]
    assert "realm" in refused
    assert "it was committed all the same" in refused
    identity = login["metadata"].partition("id=UUID('")[2].partition("'")[0]
    assert [each["record"] for each in flow("--find", identity)["records"]] == [cause, effect]
    assert run(["why", "enterprise", *http]) == 1
    assert "no_member: no consumer is in group enterprise" in capsys.readouterr().out
    assert run(["flow", cause, *http]) == 0
    told = capsys.readouterr().out
    assert f"└─ {effect}" in told
    assert BusHttp(site.bus.http_url).get("/flow", record=cause)["edges"] == [edge]
