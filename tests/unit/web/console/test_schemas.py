"""Schemas: versions and their differences, compatibility, registration; brokers and configs."""

from __future__ import annotations

import json

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from tests.unit.web.console.pages import Browser
from tests.unit.web.server import connect

ANYWHERE = Address("127.0.0.1", 0)

FIRST = {"type": "record", "name": "O", "fields": [{"name": "n", "type": "int"}]}
SECOND = {
    **FIRST,
    "fields": [*FIRST["fields"], {"name": "m", "type": "int", "default": 0}],  # type: ignore[misc]
}
BREAKING = {"type": "record", "name": "O", "fields": [{"name": "x", "type": "string"}]}


def test_a_subject_shows_its_versions_and_what_changed(browser: Browser, topic: str) -> None:
    subject = f"{topic}-value"
    browser.http.register(subject, FIRST)
    browser.http.register(subject, SECOND)
    assert f"{subject} AVRO 2" in browser.get(f"/ui/schemas?q={subject}").text
    page = browser.get(f"/ui/schema?name={subject}")
    assert "What changed since version 1" in page.text
    assert '+ "name": "m"' in page.text
    assert '- "name": "m"' not in page.text
    page = browser.get(f"/ui/schema?name={subject}&version=1&against=2")
    assert '- "name": "m"' in page.text
    assert browser.get(f"/ui/schema?name={subject}&version=3").status == 404


def test_several_brokers_are_stopped_and_started() -> None:
    settings = Settings(data=None, kafka=(ANYWHERE,), http=(ANYWHERE,), brokers=2)
    with FakeBus.thread(settings) as bus:
        browser = Browser(connect(bus))
        forms = browser.get("/ui/brokers").forms
        stop = next(form for form in forms if form.action == "/ui/brokers/stop")
        page = browser.send(stop, broker="2")
        assert "Broker 2 is stopped." in page.text
        assert "2 no stopped Start" in page.text
        page = browser.send(page.form("/ui/brokers/start"))
        assert "Broker 2 runs again." in page.text
        page = browser.send(stop, broker="9")
        assert (page.status, "there is no broker 9" in page.text) == (400, True), page.text
        browser.http.close()


def test_a_change_is_tried_before_it_is_registered(browser: Browser, topic: str) -> None:
    subject = f"{topic}-value"
    browser.http.register(subject, FIRST)
    form = browser.get(f"/ui/schema?name={subject}").form("/ui/schema#try")
    assert json.loads(form.fields["text"]) == FIRST
    page = browser.send(form, text=json.dumps(BREAKING), do="check")
    assert "It may not be the next version under BACKWARD" in page.text
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in page.text
    assert json.loads(page.form("/ui/schema#try").fields["text"]) == BREAKING
    page = browser.send(form, text=json.dumps(BREAKING), do="register")
    assert page.status == 400
    page = browser.send(form, text="{", do="check")
    assert page.status == 400
    page = browser.send(form, text=json.dumps(SECOND, indent=3), do="check")
    assert "It may be the next version under BACKWARD" in page.text
    page = browser.send(form, text=json.dumps(SECOND, indent=3), do="register")
    assert "The schema has been registered" in page.text
    stored = browser.http.get(f"/subjects/{subject}/versions/latest").json
    assert (stored["version"], json.loads(stored["schema"])) == (2, SECOND)


def test_levels_are_set_and_taken_back(browser: Browser, topic: str) -> None:
    subject = f"{topic}-value"
    browser.http.register(subject, FIRST)
    form = browser.get(f"/ui/schema?name={subject}").form("/ui/schema/level")
    assert "The compatibility level has been changed" in browser.send(form, level="FULL").text
    assert browser.http.get(f"/config/{subject}").json == {"compatibilityLevel": "FULL"}
    browser.send(form, level="")
    assert browser.http.get(f"/config/{subject}").status == 404
    assert browser.send(form, level="HALF").status == 400


def test_a_subject_is_registered_and_deleted(browser: Browser, topic: str) -> None:
    subject = f"../{topic} <b>"
    form = browser.get("/ui/schemas").form("/ui/schema")
    page = browser.send(form, name=subject, text='"string"', do="register")
    assert page.status == 200
    assert "b" not in page.tags[page.tags.index("main") :][:8]
    form = page.form("/ui/schema/delete")
    assert browser.send(form, confirm="x").status == 400
    assert "has been deleted" in browser.send(form, confirm=subject).text
    assert subject not in browser.http.get("/subjects").json


def test_references_are_written_and_linked(browser: Browser, topic: str) -> None:
    browser.http.register(f"{topic}-part", {"type": "record", "name": "P", "fields": []})
    form = browser.get("/ui/schemas").form("/ui/schema")
    schema = {"type": "record", "name": "W", "fields": [{"name": "p", "type": "P"}]}
    text = json.dumps(schema)
    given = {"name": f"{topic}-whole", "text": text, "do": "register"}
    assert browser.send(form, **given, references="P one two").status == 400
    page = browser.send(form, **given, references=f"P {topic}-part 1")
    assert page.status == 200
    assert f"/ui/schema?name={topic}-part&version=1" in page.links


def test_brokers_are_listed_with_their_configs(browser: Browser) -> None:
    page = browser.get("/ui/brokers?q=num.partitions")
    assert "num.partitions 1 default" in page.text
    assert browser.get("/ui/brokers?id=77").status == 404


def test_a_change_is_tried_and_tells_whom_it_breaks(browser: Browser, topic: str) -> None:
    name = f"{topic}-value"
    fields = [{"name": "order", "type": "string"}, {"name": "note", "type": "string"}]
    browser.http.register(name, {"type": "record", "name": "R", "fields": fields})
    page = browser.get(f"/ui/schema?name={name}")
    form = page.form("/ui/schema#try")
    text = json.dumps({"type": "record", "name": "R", "fields": fields[:1]})
    page = browser.send(form, text=text, do="impact")
    assert "It breaks nobody that is known. The registry would allow it under BACKWARD" in page.text
    added = [*fields, {"name": "<b>\u202e", "type": "string"}]
    page = browser.send(form, text=text.replace("order", "other"), do="impact")
    assert "It breaks 1 party. The registry would not allow it under BACKWARD" in page.text
    assert f"{name} level BACKWARD does not allow it" in page.text
    page = browser.send(form, text=json.dumps(added), do="impact")
    assert (page.status, page.runs_own_scripts_only) == (400, True)
    assert json.loads(page.form("/ui/schema#try").fields["text"]) == added
    page = browser.get(f"/ui/schema?name={name}&without=note")
    assert "It breaks nobody that is known" in page.text
    page = browser.get(f"/ui/schema?name={name}&without=nothing%3Cb%3E")
    assert (page.status, "nothing<b>" in page.text) == (400, True)
    assert "The registry would" in browser.get(f"/ui/schema?name={name}&gone=1").text
