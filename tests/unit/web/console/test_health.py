"""What is not well: the overview, why a group is stuck, and who the clients are."""

from __future__ import annotations

import re
from functools import partial
from threading import Event
from urllib.parse import quote

import pytest

from fakebus.app import FakeBus
from fakebus.broker.activity import Origin
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.bus_thread import BusThread
from fakebus.web.console import health
from tests.unit.web.console.pages import Browser, Form
from tests.unit.web.console.test_groups import commit
from tests.unit.web.console.test_topics import binary

HOSTILE = "<script>alert(1)</script>\u202e"
SHOWN = "<script>alert(1)</script>\\u202e"


def test_the_overview_tells_what_needs_a_look_and_where(browser: Browser, topic: str) -> None:
    browser.write(topic, 1, partition=0)
    commit(browser, f"{topic}-{HOSTILE}", topic, 0)
    page = browser.get("/ui")
    assert re.search(r"\d things? needs? a look", page.text)
    assert f"{topic}-{SHOWN}" in page.text
    name = quote(f"{topic}-{HOSTILE}", safe="")
    assert f"/ui/group/why?name={name}" in page.links


def test_groups_that_nobody_has_read_yet_are_one_finding_and_not_stuck(
    browser: Browser, topic: str
) -> None:
    browser.write(topic, 1, partition=0)
    stuck = re.compile(r"Stuck (\d+)")
    before = stuck.search(browser.get("/ui").text)
    for name in ("a", "b"):
        commit(browser, f"{topic}-{name}", topic, 0)
    text = browser.get("/ui").text
    assert re.search(r"\d+ groups wait for their first", text)
    after = stuck.search(text)
    assert (before and before[1]) == (after and after[1])


def test_the_overview_claims_no_more_than_it_has_looked_at(
    browser: Browser, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(browser, f"{topic}-a", topic, 0)
    commit(browser, f"{topic}-b", topic, 0)
    monkeypatch.setattr(health, "_MOST_GROUPS", 1)
    text = browser.get("/ui").text
    assert "Looked at: faults, 1 group, " in text
    assert "Not looked at:" in text


def test_records_that_their_schema_does_not_decode_are_found(browser: Browser, topic: str) -> None:
    name = browser.write(topic, binary(b"\x00\x00\x00\x00\x63\xff"), partition=0)
    text = browser.get("/ui").text
    assert f"{topic} has 1 record that cannot be decoded {name}: " in text


def test_the_overview_answers_whether_everything_is_well_on_one_screen(
    thread: BusThread[FakeBus], bus: FakeBus, browser: Browser, topic: str
) -> None:
    browser.write(topic, binary(b"\x00\x00\x00\x00\x63\xff"), partition=0)
    browser.write(topic, 1, partition=1)
    stored = Event()
    offset = OffsetCommit(group_id=f"{topic}-late", offsets=[PartitionOffset(topic, 0, 0)])
    keep = partial(bus.broker.commit_offsets, offset, lambda errors: stored.set())
    thread.loop.call_soon_threadsafe(keep)
    assert stored.wait(60)
    assert f"{topic}-late empty: stuck why?" in browser.get(f"/ui/groups?q={topic}").text
    with bus.broker.faults.fail(api="Produce", error="NOT_LEADER_OR_FOLLOWER", topic=topic):
        tiles = browser.get("/ui").text.partition("Busiest topics")[0]
    for told in (
        r"Services \d+ \d+ clients? connected",
        r"Topics \d+ \d+ records",
        r"Last minute \d+ records, [\d.]+ a second",
        r"Lag [1-9]\d* records, [1-9]\d* of \d+ groups? behind",
        r"Stuck [1-9]\d* \d+ groups? needs? a look",
        "Faults on 1 on purpose",
        r"Schema failures [1-9]\d* of the newest records",
        r"Drift \d+ ",
    ):
        assert re.search(told, tiles), told


def test_every_page_tells_that_a_fault_is_on(bus: FakeBus, browser: Browser) -> None:
    with bus.broker.faults.fail(api="Produce", error="NOT_LEADER_OR_FOLLOWER", topic=HOSTILE):
        for path in ("/ui/topics", "/ui", "/ui/nowhere"):
            page = browser.get(path)
            assert f"1 fault is on: fail Produce with NOT_LEADER_OR_FOLLOWER, topic {SHOWN}" in (
                page.text
            )
        assert f"topic {SHOWN} 0 times 1 time 100.0 % never" in browser.get("/ui/faults").text
    assert "is on" not in browser.get("/ui/topics").text
    assert "Nothing goes wrong on purpose" in browser.get("/ui/faults").text


def test_a_group_tells_why_it_does_not_get_on_and_what_to_do(browser: Browser, topic: str) -> None:
    browser.write(topic, 1, partition=0)
    name = f"{topic}-{HOSTILE}"
    commit(browser, name, topic, 0)
    url = f"/ui/group/why?name={quote(name, safe='')}"
    assert url in browser.get(f"/ui/group?name={quote(name, safe='')}").links
    assert url in browser.get("/ui/groups").links
    page = browser.get(url)
    assert page.runs_own_scripts_only
    assert f"Why {topic}-{SHOWN} does not get on" in page.text
    assert "1. No member" in page.text
    assert "What to do" in page.text
    assert '"members": []' in page.text


def test_a_group_that_is_well_says_so_and_one_that_is_not_there_is_told(
    browser: Browser, topic: str
) -> None:
    commit(browser, f"{topic}-group", topic, 0)
    text = browser.get(f"/ui/group/why?name={topic}-group").text
    assert f"{topic}-group is well" in text
    page = browser.get("/ui/group/why?name=nobody-named-it")
    assert (page.status, "there is no group" in page.text) == (404, True)


def test_clients_are_listed_and_put_into_services(
    thread: BusThread[FakeBus], browser: Browser, topic: str
) -> None:
    client = Origin(front_end="kafka", client_id=f"{topic}-{HOSTILE}")
    note = thread.bus.broker.activity.note_missing_topic
    thread.loop.call_soon_threadsafe(partial(note, client, f"missing-{topic}", created=False))
    page = browser.get("/ui/clients")
    assert page.runs_own_scripts_only
    assert f"{topic}-{SHOWN}" in page.text
    assert f"was told that there is no missing-{topic}" in page.text
    assert f"asked for topics that are not there: missing-{topic}" in browser.get("/ui").text
    link = f"/ui/clients?name_client={quote(f'{topic}-{HOSTILE}', safe='')}"
    form = browser.get(next(each for each in page.links if each.startswith(link[:-12]))).form(
        "/ui/clients"
    )
    assert form.fields["client_ids"] == f"{topic}-{HOSTILE}"
    page = browser.send(form, service=f"shop {HOSTILE}", groups="g-*\r\n h ")
    assert f"shop {SHOWN} client ids {topic}-{SHOWN}; groups g-*, h" in page.text
    assert f"shop {SHOWN} connected {topic}-{SHOWN}" in page.text
    page = browser.send(form, service=f"shop {HOSTILE}", client_ids="", groups="")
    assert "client ids" not in page.text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"service": " "}, "give the service a name"),
        ({"service": "x" * 201}, "give the service a name"),
        ({"service": "x", "commands": "x" * 10_001}, "more than 10000 letters"),
    ],
)
def test_a_service_is_not_named_by_nonsense(
    browser: Browser, fields: dict[str, str], told: str
) -> None:
    form = browser.get("/ui/clients").form("/ui/clients")
    page = browser.send(Form(form.action, "post", form.fields), **fields)
    assert (page.status, told in page.text) == (400, True)
