"""Records of a topic as pages, as server-sent events, as lines and in MessagePack."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
import requests

from fakebus.web import answer_room, metrics, sending
from fakebus.web.errors import ClientGoneError
from fakebus.web.rest.streams import reading
from tests.unit.web.rest.proxy import Proxy, new_name

LINES = "application/x-ndjson"
MSGPACK = "application/msgpack"
BYTES = b"\x00\xff\x80"


class Topic:
    """Topic with its streams."""

    def __init__(self, proxy: Proxy, name: str) -> None:
        self.proxy = proxy
        self.name = name
        self.path = f"/_fakebus/v1/topics/{name}"

    def get(self, query: str = "", accept: str = "", **headers: str) -> requests.Response:
        wanted = {"Accept": accept} if accept else {}
        path = f"{self.path}/records?{query}"
        return self.proxy.ask("GET", path, headers={**wanted, **headers})

    def values(self, query: str = "") -> list[object]:
        answer = self.get(query)
        assert answer.ok, answer.text
        return [each["value"] for each in answer.json()["records"]]

    def post(self, data: bytes, kind: str = LINES, **headers: str) -> requests.Response:
        sent = {"Content-Type": kind, **headers}
        url = f"{self.proxy.url}{self.path}/records"
        return self.proxy.session.post(url, data=data, headers=sent, timeout=60)

    def write(self, *events: object) -> list[dict[str, Any]]:
        answer = self.post("".join(json.dumps(each) + "\n" for each in events).encode())
        return [json.loads(line) for line in answer.text.splitlines()]

    def events(self, query: str = "", last: str = "") -> requests.Response:
        headers = {"Last-Event-ID": last} if last else {}
        url = f"{self.proxy.url}{self.path}/events?{query}"
        return requests.get(url, headers=headers, stream=True, timeout=60)


def messages(answer: requests.Response) -> Iterator[tuple[str, Any]]:
    """Yield the id and the data of each event of a stream."""
    found: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, text = line.partition(": ")
        if name:
            found[name] = text
        elif "data" in found:
            yield found["id"], json.loads(found["data"])
            found = {}


@pytest.fixture
def topic(proxy: Proxy) -> Topic:
    name = new_name("streams")
    body = {"topic_name": name, "partitions_count": 2}
    [cluster] = proxy.ask("GET", "/v3/clusters").json()["data"]
    assert proxy.ask("POST", f"/v3/clusters/{cluster['cluster_id']}/topics", body).ok
    return Topic(proxy, name)


def test_lines_are_written_and_read_in_the_form_of_fixture_files(topic: Topic) -> None:
    events = [
        {"key": "a", "value": {"n": 1}, "partition": 0, "headers": {"h": "x"}},
        {"key": {"type": "binary", "data": "AP8="}, "value": {"type": "string", "data": "s"}},
        {"value": None, "partition": 1},
    ]
    receipts = topic.write(*events)
    assert [each["number"] for each in receipts] == [1, 2, 3]
    assert receipts[0]["record"] == f"{topic.name}[0]@0"
    read = topic.get(accept=LINES)
    assert read.headers["Content-Type"] == LINES
    lines = [json.loads(line) for line in read.text.splitlines()]
    assert [each["topic"] for each in lines] == [topic.name] * 3
    assert lines[0]["headers"] == [["h", "x"]]
    # What was read can be written as it is.
    copy = Topic(topic.proxy, new_name("copy"))
    assert all(
        "record" in json.loads(each) for each in copy.post(read.content).text.splitlines()
    ) == (len({each["partition"] for each in lines}) == 1)
    binary = next(each for each in lines if isinstance(each["key"], dict))
    assert binary["key"] == {"type": "binary", "data": "AP8="}
    assert binary["value"] == {"type": "string", "data": "s"}


def test_names_that_begin_with_a_dollar_are_written_and_read_as_in_fixture_files(
    topic: Topic,
) -> None:
    value = {"$$ref": {"$$a": [1, {"$$$b": 2}]}, "c": "$d"}
    deep = json.loads("[" * 150 + "]" * 150)
    wanted = (value, {"$nothing": 1}, deep)
    told = topic.write(*({"value": each, "partition": 0} for each in wanted))
    assert [each.get("error_code") for each in told] == [None, 422, None]
    assert 'a name that is data is written "$$nothing"' in told[1]["message"]
    lines = topic.get(accept=LINES).content
    assert topic.post(lines).ok
    stored = msgpack.Unpacker(raw=False)
    stored.feed(topic.get(accept=MSGPACK).content)
    values = [json.loads(each["value"]) for each in stored]
    assert values == [{"$ref": {"$a": [1, {"$$b": 2}]}, "c": "$d"}, deep] * 2


def test_a_place_behind_the_end_is_of_a_topic_that_is_gone(topic: Topic) -> None:
    topic.write(*({"value": number, "partition": 0} for number in range(3)))
    assert topic.values("after=0:3") == []
    proxy, cluster = topic.proxy, topic.proxy.ask("GET", "/v3/clusters").json()["data"][0]
    path = f"/v3/clusters/{cluster['cluster_id']}/topics/{topic.name}"
    assert proxy.ask("DELETE", path).status_code == 204
    topic.write({"value": "new", "partition": 0})
    assert topic.values("after=0:3") == ["new"]
    assert topic.values("after=0:1") == []
    assert [each["value"] for each in topic.get("wait_for=1&after=0:3").json()["records"]] == [
        "new"
    ]
    with topic.events("from=earliest", last="0:3") as answer:
        assert next(messages(answer))[1]["value"] == "new"


def test_messagepack_keeps_every_byte(topic: Topic) -> None:
    record = {"key": BYTES, "value": BYTES, "headers": [["h", BYTES], ["h", None]]}
    timed = {**record, "partition": 1, "timestamp_ms": 1714979289010}
    data = msgpack.packb(record) + msgpack.packb({"key": None, "value": b""}) + msgpack.packb(timed)
    receipts = topic.post(data, MSGPACK).text.splitlines()
    assert [json.loads(each)["number"] for each in receipts] == [1, 2, 3]
    answer = topic.get(accept=MSGPACK)
    unpacker = msgpack.Unpacker()
    unpacker.feed(answer.content)
    found = list(unpacker)
    assert sorted(each["value"] for each in found) == [b"", BYTES, BYTES]
    [last] = [each for each in found if each["timestamp_ms"] == 1714979289010]
    assert (last["partition"], last["key"]) == (1, BYTES)
    assert last["headers"] == [["h", BYTES], ["h", None]]
    copy = Topic(topic.proxy, new_name("copy"))
    for each in found:
        each["partition"] = 0
    copy.post(b"".join(map(msgpack.packb, found)), MSGPACK)
    again = msgpack.Unpacker()
    again.feed(copy.get(accept=MSGPACK).content)
    assert [each["timestamp_ms"] for each in again] == [each["timestamp_ms"] for each in found]


def test_a_page_begins_at_an_offset_or_a_time_and_tells_how_to_go_on(topic: Topic) -> None:
    topic.write(*({"value": number, "partition": 0} for number in range(10)))
    assert topic.values("partition=0&from=7") == [7, 8, 9]
    assert topic.values("from=-2&partition=0") == [8, 9]
    assert topic.values("from=2200-01-01T00:00:00Z") == []
    assert topic.values("from=-5m&limit=1") == [0]
    assert topic.values("partition=0&from=2&until=4") == [2, 3]
    assert topic.values("filter=value%20>%207") == [8, 9]
    assert topic.values("partition=1") == []
    found, after = [], ""
    while True:
        page = topic.get(f"limit=4&after={after}").json()
        found += [each["value"] for each in page["records"]]
        after = page["next"]
        if page["complete"]:
            break
    assert found == list(range(10))
    assert after == "0:10,1:0"
    lines = topic.get("limit=4", LINES)
    assert (lines.headers["Fakebus-Next"], lines.headers["Fakebus-Complete"]) == (
        "0:4,1:0",
        "false",
    )


def test_an_answer_comes_as_soon_as_enough_records_are_there(topic: Topic) -> None:
    query = "wait_for=2&timeout=60000&filter=value.ok"
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(requests_get(topic, query)))
    topic.write({"value": {"ok": True, "n": 1}})
    waiting.start()
    topic.write({"value": {"ok": False, "n": 2}}, {"value": {"ok": True, "n": 3}})
    waiting.join(60)
    [answer] = answers
    assert answer.status_code == 200
    assert [each["value"]["n"] for each in answer.json()["records"]] == [1, 3]
    assert answer.json()["complete"]


def requests_get(topic: Topic, query: str) -> requests.Response:
    return requests.get(f"{topic.proxy.url}{topic.path}/records?{query}", timeout=60)


def test_too_few_records_are_answered_when_the_time_is_over(topic: Topic) -> None:
    topic.write({"value": 1})
    answer = topic.get("wait_for=2&timeout=1000")
    assert answer.status_code == 408
    assert [each["value"] for each in answer.json()["records"]] == [1]
    assert not answer.json()["complete"]


def test_a_stream_of_events_goes_on_where_it_was(topic: Topic) -> None:
    topic.write(*({"value": number, "partition": number % 2} for number in range(6)))
    with topic.events("from=earliest") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        told = messages(answer)
        first = [next(told) for _ in range(4)]
    with topic.events(last=first[-1][0]) as answer:
        told = messages(answer)
        rest = [next(told) for _ in range(2)]
        topic.write({"value": 6})
        rest.append(next(told))
    assert sorted(each["value"] for _, each in first + rest) == list(range(7))
    with topic.events("filter=value%20=%207") as answer:
        told = messages(answer)
        topic.write({"value": 6}, {"value": 7, "partition": 0})
        assert next(told)[1]["value"] == 7


def test_of_very_many_partitions_a_stream_tells_where_it_is_when_it_has_come_to_the_end(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MOST_IDS", 1)
    topic.write(*({"value": number, "partition": number % 2} for number in range(6)))
    with topic.events("from=earliest") as answer:
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        told = list(itertools.takewhile(lambda line: not line.startswith("id: "), lines))
    assert sum(line.startswith("data: ") for line in told) == 6
    with topic.events(last="0-1:3") as answer:
        topic.write({"value": 6})
        data = next(line for line in answer.iter_lines(chunk_size=1) if line.startswith(b"data: "))
    assert json.loads(data[6:])["value"] == 6


@pytest.mark.parametrize("after", ["0-1:1,0:1", "0-999999999999:1", "1-x:1", "0--1:1", "0-:"])
def test_where_to_go_on_names_no_more_partitions_than_there_are(topic: Topic, after: str) -> None:
    topic.write({"value": 1})
    assert topic.get(f"after={after}").status_code == 400


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"values": 1}', "an event has no field 'values'"),
        ('{"value": {"type": "no", "data": 1}}', "no"),
        ('{"value": {"subject": "no-such", "data": 1}}', "no-such"),
        ('{"partition": 9}', "partition 9"),
        ("[]", "no stream of records"),
        ('{"a', "no stream of records"),
    ],
)
def test_a_line_that_is_no_event_is_told_by_its_number(topic: Topic, line: str, told: str) -> None:
    answer = topic.post(f'{{"value": 1}}\n{line}\n'.encode())
    written, refused = map(json.loads, answer.text.splitlines())
    assert written["offset"] == 0
    assert refused["number"] == 2
    assert told in refused["message"]


@pytest.mark.parametrize(
    "data",
    [
        msgpack.packb([1]),
        msgpack.packb({"value": "text"}),
        msgpack.packb({"headers": [["h"]]}),
        msgpack.packb({"partition": "0"}),
        msgpack.packb({"valu": b"x"}),
        msgpack.packb({b"value": b"x"}),
        msgpack.packb({"value": b"x"})[:-1],
        msgpack.packb({"value": None})[:-1],
        b"\xc6\xff\xff\xff\xff",
        b"\xc1",
    ],
)
def test_what_is_no_record_in_messagepack_is_told(topic: Topic, data: bytes) -> None:
    [refused] = map(json.loads, topic.post(data, MSGPACK).text.splitlines())
    assert refused["error_code"] in (400, 422)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from=x", 400),
        ("from=5&until=4", 400),
        ("from=-5s&until=-1h", 400),
        ("filter=valu", 400),
        ("after=1-2", 400),
        ("limit=0", 400),
        ("partition=9", 404),
        ("wait_for=-1", 400),
    ],
)
def test_a_question_that_is_none_is_refused(topic: Topic, query: str, status: int) -> None:
    assert topic.get(query).status_code == status
    assert topic.get(accept="text/csv").status_code == 406
    assert topic.post(b"{}", "text/csv").status_code == 415


def test_so_many_clients_wait_at_most(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FOLLOWERS", 0)
    assert topic.get("wait_for=1&timeout=0").status_code == 503
    with topic.events() as answer:
        assert answer.status_code == 503


def test_a_page_of_another_origin_writes_no_lines(topic: Topic) -> None:
    assert topic.post(b'{"value":1}', Origin="http://evil.example").status_code == 403
    assert topic.values() == []


def test_a_page_is_small_while_others_hold_much(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic.write(*({"value": f"{number}{'x' * 100_000}", "partition": 0} for number in range(6)))
    assert len(topic.values()) == 6
    assert answer_room._budget.used == 0
    monkeypatch.setattr(answer_room._budget, "used", answer_room._budget.limit + 1)
    for query in ("", "wait_for=6&from=earliest"):
        seen: list[str] = []
        after, is_complete = "", False
        while not is_complete:
            answer = topic.get(f"{query}&after={after}" if after else query)
            assert answer.status_code == 200
            page = answer.json()
            assert 1 <= len(page["records"]) <= 3
            seen += [each["value"][0] for each in page["records"]]
            after, is_complete = page["next"], page["complete"]
            assert answer.headers["Fakebus-Next"] == after
            query = query.replace("wait_for=6", f"wait_for={6 - len(seen)}")
        assert seen == list("012345")


def test_who_waits_for_what_is_not_there_holds_nothing(topic: Topic) -> None:
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(requests_get(topic, "wait_for=1&timeout=60000"))
    )
    waiting.start()
    deadline = time.monotonic() + 60
    while not reading._followers:
        assert time.monotonic() < deadline
    assert answer_room._budget.used == 0
    topic.write({"value": 1})
    waiting.join(60)
    assert [each.status_code for each in answers] == [200]


def test_those_who_wait_hold_no_more_than_a_page(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_room, "MAX_PAGE_BYTES", 1000)
    topic.write(*({"value": "x" * 400, "partition": 0} for _ in range(6)))
    answer = topic.get("wait_for=6&from=earliest&timeout=60000")
    assert (answer.status_code, len(answer.json()["records"])) == (200, 3)
    assert answer.json() | {"records": []} == {
        "records": [],
        "next": "0:3,1:0",
        "complete": False,
    }


def test_a_large_answer_that_nobody_reads_is_given_up(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_text", lambda _: b"# HELP x\n" * 2_000_000)
    is_given_up = threading.Event()

    async def noted(*wanted: Any) -> None:
        try:
            await sending.send(*wanted)
        except ClientGoneError:
            is_given_up.set()
            raise

    monkeypatch.setattr(answer_room, "send", noted)
    answer = topic.proxy.ask("GET", "/metrics")
    assert len(answer.content) == 18_000_000
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Content-Length"] == "18000000"
    assert topic.proxy.ask("HEAD", "/metrics").headers["Content-Length"] == "18000000"
    assert not is_given_up.is_set()
    monkeypatch.setattr(sending, "WRITE_TIMEOUT_S", 0.2)
    host, _, port = topic.proxy.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert is_given_up.wait(60)


def test_a_page_of_the_console_is_small_while_others_hold_much(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic.write(*({"value": f"n{number}{'x' * 100_000}", "partition": 0} for number in range(6)))
    paths = (f"/ui/topics/{topic.name}", "/ui/search?q=xxx")
    for used, few in ((0, False), (answer_room._budget.limit + 1, True)):
        monkeypatch.setattr(answer_room._budget, "used", used)
        for path in paths:
            page = topic.proxy.ask("GET", path).text
            found = set(re.findall(rf"{topic.name}/0/(\d)", page))
            assert len(found) in ((2, 3) if few else (6,)), path
