"""The catalogue, the map of services and event types, and smells."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from fakebus.web.console.service_map import MOST_NODES, Link, service_map
from tests.unit.web.console.pages import Browser
from tests.unit.web.console.test_groups import commit


def test_event_types_are_listed_and_found_by_words(browser: Browser, topic: str) -> None:
    subject = f"{topic}-<script>x\u202e-value"
    doc = "Told when <b>something</b> shipped"
    schema = {"type": "record", "name": "R", "doc": doc, "fields": []}
    browser.http.register(f"{topic}-value", schema)
    browser.write(topic, "x", partition=0)
    page = browser.get(f"/ui/catalogue?q={topic}+SHIPPED")
    assert page.runs_own_scripts_only
    assert "1 event type" in page.text
    assert doc in page.text
    (link,) = [each for each in page.links if each.startswith("/ui/catalogue/event?")]
    page = browser.get(link)
    assert (page.status, page.runs_own_scripts_only) == (200, True)
    assert f"/ui/topics/{topic}" in page.links
    assert f"/ui/schema?name={topic}-value" in page.links
    # As its own page shows it, and not on the one line on which registries keep it.
    assert '"type": "record"' in page.text
    assert "0 event types" in browser.get(f"/ui/catalogue?q={quote(subject)}").text


def test_an_event_type_that_is_not_there_is_told(browser: Browser) -> None:
    page = browser.get("/ui/catalogue/event?name=%3Cb%3E")
    assert (page.status, "there is no event type '<b>'" in page.text) == (404, True)


def test_the_map_and_its_table_tell_who_was_seen_to_write(browser: Browser, topic: str) -> None:
    browser.write(topic, "x", partition=0)
    page = browser.get(f"/ui/map?q={topic}")
    assert page.status == 200
    # It was written by this process, whatever runs the tests.
    assert re.search(rf"pytest\S* writes {topic} seen|python\S* writes {topic} seen", page.text)
    assert page.tags.count("rect") == 2
    assert "1 link is declared and not seen" in page.text
    assert f"writes {topic}" in browser.get(f"/ui/map?q={topic}&only=different").text


def test_smells_are_told_with_their_evidence(browser: Browser, topic: str) -> None:
    browser.write(topic, "x", partition=0)
    page = browser.get("/ui/smells")
    assert page.status == 200
    assert f"no consumer of {topic} is declared or was seen" in page.text
    # Why it matters stands once for each kind, however many were found.
    kinds = page.tags.count("section")
    assert 0 < kinds == page.text.count("Why it matters")


@pytest.mark.parametrize("levels", [40, 150, 400])
def test_schemas_and_records_may_be_nested_deeply(
    browser: Browser, topic: str, levels: int
) -> None:
    avro: object = "string"
    plain: object = 1
    for level in range(levels):
        plain = {"inner": [plain]}
        # The registry takes two hundred.
        avro = {"type": "array", "items": avro} if level < 190 else avro
    record = {"type": "record", "name": "R", "fields": [{"name": "email", "type": avro}]}
    browser.http.register(f"{topic}-value", record)
    browser.write(topic, json.dumps(plain), partition=0)
    for path in ("smells", f"catalogue?q={topic}", "map", f"schema?name={topic}-value"):
        assert browser.get(f"/ui/{path}").status == 200, path
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert (page.status, "inner" in page.text) == (200, True)
    for path in ("catalogue", "smells"):
        assert browser.http.get(f"/_fakebus/v1/{path}").status == 200, path


def test_a_group_that_was_only_put_somewhere_reads_nothing_yet(
    browser: Browser, topic: str
) -> None:
    browser.write(topic, "x", partition=0)
    commit(browser, f"{topic}-group", topic, 0)
    page = browser.get(f"/ui/catalogue/event?name={topic}")
    assert "Read by nobody" in page.text


def link(service: str, event: str, *, is_writer: bool) -> Link:
    return Link(service=service, event=event, is_writer=is_writer, declared=True, seen=True)


def test_everything_stands_right_of_what_leads_to_it() -> None:
    drawing = service_map(
        [
            link("mail", "invoice", is_writer=False),
            link("shop", "order", is_writer=True),
            link("billing", "order", is_writer=False),
            link("mail", "order", is_writer=False),
            link("billing", "invoice", is_writer=True),
        ]
    )
    assert drawing is not None
    at = {box.node.name: box.x for box in drawing.boxes}
    assert sorted(at, key=lambda name: at[name]) == ["shop", "order", "billing", "invoice", "mail"]
    assert len(set(at.values())) == 5


def test_circles_and_many_nodes_are_drawn() -> None:
    circle = [link("a", "e", is_writer=True), link("a", "e", is_writer=False)]
    drawing = service_map(circle)
    assert drawing is not None
    assert [box.node.name for box in drawing.boxes] == ["a", "e"]
    drawing = service_map(
        [link("s", f"e{number}", is_writer=True) for number in range(MOST_NODES + 10)]
    )
    assert drawing is not None
    assert (len(drawing.boxes), drawing.left_out) == (MOST_NODES, 11)
    assert len({(box.x, box.y) for box in drawing.boxes}) == MOST_NODES
    assert service_map([]) is None


def test_a_long_chain_is_no_matter_of_recursion() -> None:
    links = []
    for number in range(50):
        links.append(link(f"s{number}", f"e{number}", is_writer=True))
        links.append(link(f"s{number + 1}", f"e{number}", is_writer=False))
    drawing = service_map(links)
    assert drawing is not None
    assert len({box.x for box in drawing.boxes}) == 101
