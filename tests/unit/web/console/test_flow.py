"""Flow of a record: its waterfall, its tree, and its table."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from fakebus.lineage.flow import Flows
from fakebus.web.console.waterfall import MOST_DRAWN, waterfall
from tests.unit.web.console.pages import Browser
from tests.unit.web.console.test_groups import commit

HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def chain(browser: Browser, topic: str) -> list[str]:
    """Three records, each of which names the one before as its cause; a group had the first."""
    names, cause = [], ""
    for number in range(3):
        headers = {"ce_id": f"{topic}-{number}", "ce_type": f"step {HOSTILE}"}
        if cause:
            headers["ce_causationid"] = cause
        names.append(browser.write(topic, {"n": number}, partition=0, headers=headers))
        cause = headers["ce_id"]
    commit(browser, f"{topic}-{HOSTILE}", topic, 1)
    return names


def flow(browser: Browser, record: str) -> str:
    page = browser.get(f"/ui/flow?record={quote(record)}")
    assert (page.status, page.runs_own_scripts_only) == (200, True)
    assert "\u202e" not in page.text
    return page.text


def test_a_flow_tells_its_steps_with_evidence_and_what_groups_did(
    browser: Browser, topic: str, chain: list[str]
) -> None:
    text = flow(browser, chain[1])
    assert "3 records, 2 links of cause and effect" in text
    assert f"{chain[1]} asked for" in text
    assert f"{chain[2]} step <script>alert(1)</script>\\u202e" in text
    assert f"stated {chain[0]} by ce_causationid" in text
    assert f"{topic}-<script>alert(1)</script>\\u202e skipped" in text
    assert "the group's offset was set past it and no member was sent it" in text
    assert "3 deliveries have not been handled" in text


def test_a_flow_is_drawn_with_a_link_for_each_record(
    browser: Browser, topic: str, chain: list[str]
) -> None:
    page = browser.get(f"/ui/flow?record={quote(chain[0])}")
    assert (page.tags.count("circle"), page.tags.count("path")) == (3, 2)
    for offset in range(3):
        # In the drawing, in the tree, and in the table.
        assert page.links.count(f"/ui/topics/{topic}/0/{offset}") >= 3


def test_several_possible_causes_are_shown_as_several(
    browser: Browser, topic: str, chain: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Flows.of_record

    async def unsure(flows: Flows, name: str, *rest: None) -> dict[str, Any]:
        flow = await known(flows, name, *rest)
        rival = {**flow["edges"][1], "from": chain[0], "rank": 2, "evidence": "observed"}
        edges = [flow["edges"][0], {**flow["edges"][1], "rivals": 1}, {**rival, "rivals": 1}]
        return {**flow, "edges": edges}

    monkeypatch.setattr(Flows, "of_record", unsure)
    text = flow(browser, chain[2])
    assert f"2 possible causes, the likeliest first: stated {chain[1]} by ce_causationid" in text
    assert f"2. {chain[0]} observed (ce_causationid)" in text
    assert f"may also have caused {chain[2]}" in text


def test_a_flow_is_told_as_of_a_time(browser: Browser, chain: list[str]) -> None:
    asked = f"/ui/flow?record={quote(chain[0])}&as_of="
    assert "3 records, 2 links" in browser.get(asked + "2100-01-01").text
    page = browser.get(asked + "-1h")
    assert (page.status, "was not there yet at that time" in page.text) == (404, True)
    page = browser.get(asked + quote("<b>then"))
    assert (page.status, "'<b>then' is not a position" in page.text) == (400, True)
    assert "No record has this" in browser.get("/ui/flow?find=step&as_of=-1h").text


def test_records_are_found_by_an_id_and_a_record_leads_to_its_flow(
    browser: Browser, topic: str, chain: list[str]
) -> None:
    assert "3 records, 2 links" in browser.get(f"/ui/flow?find={topic}-2").text
    assert f"/ui/flow?find={topic}-2" in browser.get(f"/ui/search?q={topic}-2").links
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert f"/ui/flow?record={quote(chain[0], safe='')}" in page.links
    assert "No record has this" in browser.get("/ui/flow?find=nowhere-to-be-found").text


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("", 400, "name a record, or a text"),
        ("record=a&find=b", 400, "name a record, or a text"),
        ("record=%3Cb%3E", 404, "is no record: write TOPIC[PARTITION]@OFFSET"),
        ("record=nowhere[0]@1", 404, "there is no topic"),
    ],
)
def test_what_has_no_flow_is_told(browser: Browser, query: str, status: int, told: str) -> None:
    page = browser.get(f"/ui/flow?{query}")
    assert (page.status, told in page.text) == (status, True)


def record(offset: int, at_ms: int, groups: list[dict[str, object]]) -> dict[str, object]:
    name = f"t[0]@{offset}"
    told = {"record": name, "service": "shop", "client_id": "", "timestamp_ms": at_ms}
    return {**told, "written_at_ms": None, "groups": groups}


def test_work_is_drawn_from_its_beginning_to_its_end_in_the_lane_of_who_did_it() -> None:
    work = {"group": "g", "service": "billing", "state": "handled", "certain": True, "reason": ""}
    times = [{"fetched_at_ms": 25, "committed_at_ms": 50}, {"fetched_at_ms": 75}]
    groups = [{**work, "committed_at_ms": None, **each} for each in times]
    drawing = waterfall({"records": [record(0, 0, groups), record(1, 100, [])], "edges": []})
    assert drawing is not None
    shop, billing = drawing.lanes
    first, last = (item.x for item in shop.items)
    quarter = (last - first) / 4
    bars = [(round(item.x - first), round(item.width), item.is_open) for item in billing.items]
    assert bars == [
        (round(quarter), round(quarter), False),
        (round(3 * quarter), round(quarter), True),
    ]
    assert [seconds for _, seconds in drawing.ticks] == [0, 0.025, 0.05, 0.075, 0.1]


def test_of_many_records_the_first_are_drawn_and_none_covers_another() -> None:
    records = [record(offset, 5, []) for offset in range(MOST_DRAWN + 7)]
    drawing = waterfall({"records": records, "edges": []})
    assert drawing is not None
    assert drawing.left_out == 7
    places = {(item.x, item.y) for item in drawing.lanes[0].items}
    assert len(places) == MOST_DRAWN
    assert waterfall({"records": [record(0, -1, [])], "edges": []}) is None


def test_a_record_tells_where_it_comes_from_and_what_became_of_it(
    browser: Browser, topic: str, chain: list[str]
) -> None:
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert "Origin by HTTP" in page.text
    assert "What became of it in 1 group" in page.text
    assert f"{topic}-<script>alert(1)</script>\\u202e skipped" in page.text
    headers = {"fakebus-replay-of": chain[0]}
    browser.write(topic, 1, partition=0, headers=headers)
    assert "Origin" in browser.get(f"/ui/topics/{topic}/0/3").text


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"origin": "seeded", "origin_detail": f"a.yaml:7 {HOSTILE}"}, "seeded from a.yaml:7 <scr"),
        ({"origin": "replayed", "origin_detail": "orders[0]@3"}, "replayed from orders[0]@3"),
        ({"origin": "produced", "service": HOSTILE, "process": {"pid": 7}}, "process 7"),
        ({"origin": "redis"}, "by Redis"),
        (
            {"transaction": {"transactional_id": HOSTILE, "producer_id": 7, "state": "aborted"}},
            "aborted readers of committed records do not see it",
        ),
        (
            {"transaction": {"transactional_id": "", "producer_id": 7, "state": "open"}},
            "of producer 7 open readers of committed records do not see it yet",
        ),
        (
            {"groups": [{"group": f"g {HOSTILE}", "state": "unreadable", "reason": HOSTILE,
                         "certain": True,
                         "fetched_at_ms": 1, "committed_at_ms": None, "attempts": 3}]},
            "Poison for g <script>alert(1)</script>\\u202e: <script>alert(1)</script>\\u202e",
        ),
    ],
)  # fmt: skip
def test_every_origin_and_the_reader_that_a_record_poisons_are_told(
    browser: Browser,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any],
    shown: str,
) -> None:
    browser.write(topic, 1, partition=0)
    known = Flows.written

    async def written(flows: Flows, *args: Any, **options: Any) -> dict[str, Any]:
        return {**await known(flows, *args, **options), **told}

    monkeypatch.setattr(Flows, "written", written)
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert shown in page.text
    assert page.runs_own_scripts_only


def test_records_are_filtered_by_the_service_that_wrote_them(
    browser: Browser, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        browser.write(topic, {"n": number}, partition=0)
    everything = browser.get(f"/ui/topics/{topic}?order=oldest")
    assert "Written by" in everything.text

    async def written_by(flows: Flows, service: str, name: str) -> dict[int, list[tuple[int, int]]]:
        return {0: [(4, 4), (1, 2)]} if (service, name) == ("shop", topic) else {}

    monkeypatch.setattr(Flows, "written_by", written_by)
    page = browser.get(f"/ui/topics/{topic}?order=oldest&service=shop")
    assert [f"[0]@{n}" in page.text for n in range(6)] == [False, True, True, False, True, False]
    page = browser.get(f"/ui/topics/{topic}?order=oldest&service=shop&filter=value.n+%3E+1")
    assert [f"[0]@{n}" in page.text for n in range(6)] == [False, False, True, False, True, False]
    assert "There are no such records" in browser.get(f"/ui/topics/{topic}?service=other").text
