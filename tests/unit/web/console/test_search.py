"""Searches: whatever is asked for, and how they tell how far they have come."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fakebus.lineage.flow import Flows
from fakebus.web.console.pages import live, search
from tests.unit.web.console.pages import Browser, Form


@contextmanager
def stream(browser: Browser, url: str) -> Iterator[Iterator[tuple[str, dict[str, object]]]]:
    """Listen to server-sent events."""
    host, _, port = browser.http.authority.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.request("GET", url)
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")

    def messages() -> Iterator[tuple[str, dict[str, object]]]:
        name = ""
        while line := response.readline().decode().rstrip("\n"):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
                response.readline()
            elif line == ":":
                response.readline()

    try:
        yield messages()
    finally:
        connection.close()


def test_a_text_finds_topics_groups_subjects_and_records(browser: Browser, topic: str) -> None:
    token = browser.get("/ui/topics").form("/ui/topics").fields["token"]
    browser.write(topic, f"has {topic} inside", partition=0)
    browser.http.register(f"{topic}-value", {"type": "string"})
    fields = {"token": token, "name": f"{topic}-group", "move": f"{topic}-0@0"}
    browser.send(Form("/ui/group/reset", "post", fields))
    page = browser.get(f"/ui/search?q={topic.upper()}")
    for target in (
        f"/ui/topics/{topic}",
        f"/ui/group?name={topic}-group",
        f"/ui/schema?name={topic}-value",
        f"/ui/topics/{topic}/0/0",
    ):
        assert target in page.links


@pytest.mark.parametrize("form", ["{}[0]@0", "{}-0@0"])
def test_the_name_of_a_record_leads_to_it(browser: Browser, topic: str, form: str) -> None:
    browser.write(topic, "here", partition=0)
    assert f"{topic}[0]@0" in browser.get(f"/ui/search?q={form.format(topic)}").text


def test_nothing_is_found_for_nothing(browser: Browser) -> None:
    assert "What are you looking for?" in browser.get("/ui/search?q=").text
    assert "0 records among" in browser.get("/ui/search?q=surely-not-there").text


def test_a_search_tells_how_far_it_has_come(
    browser: Browser, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_STEP", 2)
    for number in range(5):
        browser.write(topic, {"n": number}, partition=0)
    url = f"/ui/topics/{topic}/search?filter=value.n+%3C+2"
    with stream(browser, url) as messages:
        told = list(messages)
    assert [name for name, _ in told] == ["page", "page", "page", "end"]
    assert [data["scanned"] for _, data in told] == [2, 4, 5, 5]
    assert [data["left"] for _, data in told] == [3, 1, 0, 0]
    assert [row["offset"] for _, data in told[:3] for row in data["rows"]] == [1, 0]  # type: ignore[attr-defined]


def test_a_search_over_all_topics_streams_too(browser: Browser, topic: str) -> None:
    browser.write(topic, f"only in {topic}", partition=1)
    with stream(browser, f"/ui/search/events?q=only+in+{topic}") as messages:
        told = list(messages)
    (found,) = [row for _, data in told[:-1] for row in data["rows"]]  # type: ignore[attr-defined]
    assert (found["topic"], found["partition"]) == (topic, 1)


def test_records_are_shown_as_they_arrive(browser: Browser, topic: str) -> None:
    browser.write(topic, "before", partition=0)
    url = f"/ui/topics/{topic}/live/events?filter=value+%3D+%22x\u202e%22"
    with stream(browser, url.replace("\u202e", "%E2%80%AE")) as messages:
        browser.write(topic, "other", partition=0)
        browser.write(topic, "x\u202e", partition=0)
        seen: list[dict[str, object]] = []
        while not seen:
            _, data = next(messages)
            seen += data["rows"]  # type: ignore[arg-type]
    assert [row["offset"] for row in seen] == [2]


def test_only_what_one_service_writes_is_shown_if_that_is_asked_for(
    browser: Browser, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def written_by(flows: Flows, service: str, name: str) -> dict[int, list[tuple[int, int]]]:
        return {0: [(1, 1)]} if (service, name) == ("shop", topic) else {}

    monkeypatch.setattr(Flows, "written_by", written_by)
    browser.write(topic, "before", partition=0)
    page = browser.get(f"/ui/topics/{topic}/live?service=shop")
    assert page.forms[-1].fields["service"] == "shop"
    with stream(browser, f"/ui/topics/{topic}/live/events?service=shop") as messages:
        for number in (1, 2):
            browser.write(topic, number, partition=0)
        data: dict[str, object] = {}
        seen: list[dict[str, object]] = []
        while data.get("seen") != 2:
            _, data = next(messages)
            seen += data["rows"]  # type: ignore[arg-type]
    assert [row["offset"] for row in seen] == [1]


def test_more_than_the_rate_is_counted_and_not_sent(
    browser: Browser, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_RATE", 2)
    with stream(browser, f"/ui/topics/{topic}/live/events") as messages:
        for number in range(5):
            browser.write(topic, number, partition=0)
        data: dict[str, object] = {}
        shown = 0
        while data.get("seen") != 5:
            _, data = next(messages)
            shown += len(data["rows"])  # type: ignore[arg-type]
    assert (shown, data["skipped"]) == (2, 3)


@pytest.mark.parametrize("page", ["live/events", "search"])
def test_a_stream_of_nonsense_is_refused(browser: Browser, topic: str, page: str) -> None:
    assert browser.http.get(f"/ui/topics/{topic}/{page}?filter=x+y").status == 400
