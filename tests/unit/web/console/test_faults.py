"""Faults that are switched on and off by forms."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from fakebus.app import FakeBus
from fakebus.broker.faults import LARGEST
from tests.unit.web.console.pages import Browser, Form, Page


@pytest.fixture(autouse=True)
def no_faults(bus: FakeBus) -> Iterator[None]:
    yield
    bus.broker.faults.clear()


def switch_on(browser: Browser, **fields: str) -> Page:
    return browser.send(browser.get("/ui/faults").form("/ui/faults"), **fields)


def test_a_fault_is_switched_on_told_on_every_page_and_ended(
    bus: FakeBus, browser: Browser
) -> None:
    page = switch_on(
        browser,
        effect="error",
        error="NOT_LEADER_OR_FOLLOWER",
        api="Produce",
        topic="orders",
        client_id="shop",
        times="3",
        for_s="90.5",
    )
    (fault,) = bus.broker.faults.in_force()
    told = "fail Produce with NOT_LEADER_OR_FOLLOWER, topic orders, client_id shop"
    assert f"Fault {fault.number} is on: {told}." in page.text
    assert re.search(r"0 times 3 times 100.0 % in (89|90|91) s", page.text)
    assert f"1 fault is on: {told}" in browser.get("/ui/brokers").text
    # Two forms end faults: that of the fault, and that of all.
    first, _ = [each for each in page.forms if each.action == "/ui/faults/remove"]
    page = browser.send(first)
    assert f"Fault {fault.number} is off." in page.text
    assert bus.broker.faults.in_force() == []
    assert browser.send(first).status == 404


def test_a_fault_may_be_for_some_of_the_requests(bus: FakeBus, browser: Browser) -> None:
    page = switch_on(browser, effect="delay", delay_s="0.5", percent="12.5")
    (fault,) = bus.broker.faults.in_force()
    assert fault.probability == 0.125
    assert re.search(r"0 times always 12.5 % in", page.text)


def test_all_faults_are_ended_at_once(bus: FakeBus, browser: Browser) -> None:
    switch_on(browser, effect="delay", delay_s="0.5", group="billing")
    page = switch_on(browser, effect="before", api="GET /subjects")
    assert "2 faults are on" in page.text
    assert [fault.left for fault in bus.broker.faults.in_force()] == [None, None]
    everything = [each for each in page.forms if each.action == "/ui/faults/remove"][-1]
    assert "All faults are off." in browser.send(everything).text
    assert bus.broker.faults.in_force() == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"effect": "error", "error": "NOPE", "api": "Produce"}, "Kafka has no error 'NOPE'"),
        ({"effect": "error", "error": "NOT_CONTROLLER"}, "an error needs the api"),
        ({"effect": "delay"}, "By seconds: say by how many seconds requests come later"),
        ({"effect": "throttle"}, "By seconds: say by how many seconds requests are throttled"),
        ({"effect": "delay", "delay_s": "soon"}, "By seconds: this has to be a number, not 'soon'"),
        ({"effect": "delay", "delay_s": "nan"}, "By seconds: this is at most"),
        ({"effect": "after", "times": "1.5"}, "At most so often: this has to be a whole number"),
        ({"effect": "after", "times": "0"}, "say from 1 on how often"),
        ({"effect": "after", "for_s": "inf"}, "For seconds: this is at most"),
        ({"effect": "after", "percent": "0"}, "a probability is above 0 and up to 1"),
        ({"effect": "after", "percent": "100.5"}, "a probability is above 0 and up to 1"),
        ({"effect": "after", "api": "<script>"}, "no request is called '<script>' here"),
        ({"effect": "x"}, "choose what happens to requests"),
    ],
)
def test_a_form_that_makes_no_sense_comes_back_with_what_is_wrong(
    bus: FakeBus, browser: Browser, fields: dict[str, str], told: str
) -> None:
    page = switch_on(browser, **fields)
    assert (page.status, told in page.text) == (400, True), page.text
    assert page.runs_own_scripts_only
    given = page.form("/ui/faults").fields
    assert {name: given[name] for name in fields if name != "effect"} == {
        name: text for name, text in fields.items() if name != "effect"
    }
    assert bus.broker.faults.in_force() == []


def test_another_site_cannot_switch_a_fault_on(bus: FakeBus, browser: Browser) -> None:
    forged = Form("/ui/faults", "post", {"effect": "before"})
    assert browser.send(forged, token="0" * 64).status == 403
    assert bus.broker.faults.in_force() == []


def test_the_largest_number_is_still_one(bus: FakeBus, browser: Browser) -> None:
    page = switch_on(browser, effect="after", for_s=str(LARGEST))
    assert page.status == 200, page.text
    assert len(bus.broker.faults.in_force()) == 1
    page = switch_on(browser, effect="after", for_s=str(LARGEST + 1))
    assert (page.status, "For seconds: this is at most" in page.text) == (400, True)
