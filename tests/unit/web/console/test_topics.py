"""Topics and their records: browsing, one record, writing, settings."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

import msgpack
import pytest

from fakebus.app import FakeBus
from fakebus.cluster.filters import MOST_DECODED
from fakebus.web.console.payload_views import beginning, header_text
from tests.unit.web.console.pages import Browser, Page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202eevil\x1b[2J\"'&"
SHOWN = "<script>alert(1)</script><img src=x onerror=alert(2)>\\u202eevil\\x1b[2J\"'&"
ATTRIBUTES_OF_STRANGERS = {"onerror", "onload", "onclick", "style", "srcdoc"}


def binary(data: bytes) -> dict[str, str]:
    return {"type": "binary", "data": base64.b64encode(data).decode()}


def records(page: Page) -> list[str]:
    """Return the names of the records that a page lists."""
    found = re.findall(r"\[(\d)\]@(\d+)", page.text)
    return [f"{partition}@{offset}" for partition, offset in found]


def assert_inert(page: Page) -> None:
    assert not {"img", "iframe", "object"} & set(page.tags)
    assert page.runs_own_scripts_only
    assert not ATTRIBUTES_OF_STRANGERS & page.attributes
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069\x00-\x08\x0e-\x1f]", page.answer.body.decode()
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (b"", ""),
        ("é".encode() * 20, "é" * 9 + "…"),
        ("a€".encode() * 20, "a€" * 4 + "a…"),
        ("ab😀".encode() * 20, "ab😀" * 3 + "…"),
        (b"a" * 9, "a" * 9),
        (b"a" * 10, "a" * 9 + "…"),
        (b"a" * 36, "a" * 9 + "…"),
        ("😀".encode() * 9, "😀" * 9),
        ("😀".encode() * 10, "😀" * 9 + "…"),
        (b"\xff\x00", "ff 00"),
        (b"\xff" * 40, "ff ff ff …"),
        ("é".encode()[:1], "c3"),
    ],
)
def test_a_header_is_cut_between_its_letters(value: bytes | None, shown: str) -> None:
    assert header_text(value, 9) == shown


def test_a_topic_is_created_changed_emptied_and_deleted(browser: Browser, topic: str) -> None:
    assert topic in browser.get("/ui/topics").text
    browser.write(topic, 1)
    url = f"/ui/topics/{topic}"
    page = browser.get(f"{url}/settings")
    page = browser.send(
        page.form(f"{url}/configs"), configs="retention.ms=1234\nmax.message.bytes=5000"
    )
    assert f"The configs of {topic} have been changed" in page.text
    assert "1234" in page.text
    page = browser.send(page.form(f"{url}/configs"), remove="retention.ms")
    assert "5000" in page.text
    assert "1234" not in page.text
    page = browser.send(page.form(f"{url}/partitions"), partitions="3")
    assert f"{topic} has 3 partitions now" in page.text
    refused = browser.send(page.form(f"{url}/empty"), confirm="another")
    assert (refused.status, "nothing was done" in refused.text) == (400, True)
    assert records(browser.get(url)) != []
    page = browser.send(page.form(f"{url}/empty"), confirm=topic)
    assert records(browser.get(url)) == []
    page = browser.send(page.form(f"{url}/delete"), confirm=topic)
    assert f"The topic {topic} has been deleted" in page.text
    assert browser.get(url).status == 404


def test_what_has_been_done_is_told_once(browser: Browser, topic: str) -> None:
    page = browser.get(f"/ui/topics/{topic}/settings")
    told = browser.send(page.form(f"/ui/topics/{topic}/partitions"), partitions="4")
    assert "has 4 partitions now" in told.text
    assert "has 4 partitions now" not in browser.get(told.url).text


def test_a_form_without_the_token_of_its_page_is_refused(browser: Browser, topic: str) -> None:
    form = browser.get("/ui/topics").form("/ui/topics")
    for token in ("", "0" * 64, "\u00e9"):
        page = browser.send(form, token=token, name="refused")
        assert (page.status, "not from a page of this console" in page.text) == (403, True)
    browser.cookies.clear()
    assert browser.send(form, name="refused").status == 403
    # Bytes that are no text, one of them as long as a token.
    for strange in ("\xff", "\xff" * 64):
        browser.cookies["fakebus_form"] = strange
        assert browser.send(form, name="refused").status == 403
        browser.cookies["fakebus_form"] = strange
        assert browser.get("/ui/topics").status == 200
    assert browser.http.post("/ui/topics", {"name": "refused"}).status == 415
    assert "refused" not in browser.get("/ui/topics").text


def test_records_come_newest_first_and_page_by_page(browser: Browser, topic: str) -> None:
    for number in range(5):
        browser.write(topic, number, partition=0)
    url = f"/ui/topics/{topic}"
    assert records(browser.get(url)) == ["0@4", "0@3", "0@2", "0@1", "0@0"]
    page = browser.get(f"{url}?limit=2")
    assert records(page) == ["0@4", "0@3"]
    (older,) = [link for link in page.links if "cursor=" in link]
    browser.write(topic, "later", partition=0)
    page = browser.get(older)
    assert records(page) == ["0@2", "0@1"]
    (older,) = [link for link in page.links if "cursor=" in link]
    page = browser.get(older)
    assert records(page) == ["0@0"]
    assert not [link for link in page.links if "cursor=" in link]
    assert records(browser.get(f"{url}?order=oldest&from=3")) == ["0@3", "0@4", "0@5"]
    assert records(browser.get(f"{url}?from=3&limit=2")) == ["0@3", "0@2"]
    assert records(browser.get(f"{url}?from=-2&order=oldest")) == ["0@4", "0@5"]
    assert records(browser.get(f"{url}?from=-1h&order=oldest&limit=1")) == ["0@0"]
    assert records(browser.get(f"{url}?partition=1")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=NEEDLE", ["0@4", "0@2", "0@1", "0@0"]),
        ("filter=" + quote("value.n > 1 and headers.h = 'x'"), ["0@3"]),
        ("filter=" + quote("where 'value.list[?@ > `1`]'"), ["0@3"]),
        ("text=needle&filter=" + quote("key = 'needle'"), ["0@1"]),
    ],
)
def test_records_are_searched(browser: Browser, topic: str, query: str, found: list[str]) -> None:
    browser.write(topic, "a Needle in text", partition=0)
    browser.write(topic, 1, key="needle", partition=0)
    browser.write(topic, 1, headers={"needle": "1"}, partition=0)
    browser.write(topic, {"n": 2, "list": [1, 2]}, headers={"h": "x"}, partition=0)
    browser.write(topic, binary(b"\xff\x00needle\xfe"), partition=0)
    page = browser.get(f"/ui/topics/{topic}?{query}")
    assert records(page) == found
    assert "found among 5" in page.text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=yesterday", "'yesterday' is not a position"),
        ("filter=valu.n", "did you mean value.n?"),
        ("filter=where+%27foo(%27", "no JMESPath"),
        ("limit=x", "limit has to be a whole number"),
        ("partition=-1", "there is no partition -1"),
        ("cursor=x", "the link to the next page is broken"),
    ],
)
def test_what_makes_no_question_is_told(
    browser: Browser, topic: str, query: str, told: str
) -> None:
    page = browser.get(f"/ui/topics/{topic}?{query}")
    assert (page.status, told in page.text) == (400, True)


def test_bars_of_the_volume_lead_to_the_records_of_their_time(
    browser: Browser, topic: str, bus: FakeBus
) -> None:
    for number in range(3):
        browser.write(topic, number, partition=number % 2)
    bars = [link for link in browser.get(f"/ui/topics/{topic}").links if "order=oldest" in link]
    assert bars
    assert len(records(browser.get(bars[0]))) == 3


def test_one_record_shows_all_that_it_has(browser: Browser, topic: str) -> None:
    browser.write(
        topic, {"a": [1, {"b": "\u00e4"}]}, key="k", partition=0, headers=[["h", "1"], ["h", "2"]]
    )
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert page.status == 200
    for text in ('"b": "\u00e4"', " k ", "h 1", "h 2", "JSON"):
        assert text in page.text, text
    assert "7b 22 61 22" in browser.get(f"/ui/topics/{topic}/0/0?as=hex").text
    copied = re.search(r"curl -s (.*?) Python", page.text)
    assert copied
    assert f"{browser.http.authority}/_fakebus/v1/records" in copied[1]
    download = browser.http.get(f"/ui/topics/{topic}/0/0/download")
    assert json.loads(download.body) == {"a": [1, {"b": "\u00e4"}]}
    assert download.headers["Content-Disposition"] == f'attachment; filename="{topic}-0-0.bin"'
    assert "sandbox" in download.headers["Content-Security-Policy"]
    assert download.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("0/0", "the partition is empty"),
        ("7/0", "has no partition 7"),
        ("x/0", "there is no such page"),
        ("0/9" + "9" * 30, "there is no such page"),
    ],
)
def test_a_record_that_is_not_there_is_told(
    browser: Browser, topic: str, path: str, told: str
) -> None:
    page = browser.get(f"/ui/topics/{topic}/{path}")
    assert (page.status, told in page.text) == (404, True)


@pytest.mark.parametrize(
    ("value", "format_name", "shown"),
    [
        (binary(msgpack.packb({"n": 1, 7: b"\xff"})), "MessagePack", '"n": 1'),
        (binary(b"\xff\xfe\x00"), "bytes", "ff fe 00"),
        (binary(b"\x00\x00\x00\x00\x63\xff"), "bytes", "the schema 99, which is not known"),
        ({"type": "string", "data": "plain"}, "text", "plain"),
        (None, "null", "tombstone"),
        # Deeper than any Python reads.
        (binary(b"[" * 300_000 + b"]" * 300_000), "text", "[[[["),
    ],
)
def test_values_are_decoded(
    browser: Browser, topic: str, value: object, format_name: str, shown: str
) -> None:
    browser.write(topic, value, partition=0)
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert shown in page.text
    assert f"Value {format_name}" in page.text
    assert format_name in browser.get(f"/ui/topics/{topic}").text


def test_values_are_decoded_with_the_schemas_of_any_subject(browser: Browser, topic: str) -> None:
    subject = f"{topic}-com.example.Order"
    browser.http.register(
        subject, {"type": "record", "name": "O", "fields": [{"name": "n", "type": "int"}]}
    )
    browser.write(topic, {"subject": subject, "data": {"n": 7}}, partition=0)
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert '"n": 7' in page.text
    assert "Value Avro" in page.text
    assert f'"subject": "{subject}"' in page.text, "the fixture line names it"
    page = browser.get(f"/ui/topics/{topic}/0/0/again")
    form = page.form(f"/ui/topics/{topic}/produce")
    assert form.fields["value_kind"] == f"schema:{subject}"
    refused = browser.send(form, value='{"n": "x"}', do="send")
    assert (refused.status, "does not fit the schema" in refused.text) == (400, True)
    assert refused.form(f"/ui/topics/{topic}/produce").fields["value"] == '{"n": "x"}'
    assert "It fits" in browser.send(form, do="check").text
    page = browser.send(form, value='{"n": 8}', partition="0", do="send")
    assert f"{topic}[0]@1 has been written" in page.text
    assert '"n": 8' in page.text


def test_a_record_is_sent_again_as_a_new_event(browser: Browser, topic: str) -> None:
    headers = {"ce_id": "old", "ce_type": "t", "traceparent": "00-1", "X-B3-TraceId": "1"}
    browser.write(topic, {"n": 1}, key="k", headers=headers, partition=0)
    url = f"/ui/topics/{topic}/0/0/again"
    field = browser.get(url).form(f"/ui/topics/{topic}/produce").fields["headers"]
    copy = re.escape(f"fakebus-replay-of: {topic}[0]@0")
    assert re.fullmatch(rf"ce_id: [0-9a-f-]{{36}}\nce_type: t\n{copy}", field)
    field = browser.get(f"{url}?headers=keep").form(f"/ui/topics/{topic}/produce").fields["headers"]
    assert field.splitlines() == [f"{name}: {value}" for name, value in headers.items()]
    field = browser.get(f"{url}?headers=none").form(f"/ui/topics/{topic}/produce").fields["headers"]
    assert field == ""


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k", b"two\nlines", [("a", b"1"), ("a", b""), ("n", None)]),
        (None, None, []),
        (b"\xff", b"\r\n", [("h", b"\xff"), ("h", b" x "), ("h", b"hex:00")]),
        (b"", b'{"a": 1}', [("h", HOSTILE.encode())]),
        (HOSTILE.encode(), HOSTILE.encode(), []),
    ],
)
def test_a_record_that_is_sent_again_unchanged_is_the_same(
    browser: Browser,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
) -> None:
    written = {
        "key": None if key is None else binary(key),
        "value": None if value is None else binary(value),
        "headers": [[name, None if data is None else binary(data)] for name, data in headers],
    }
    browser.write(topic, partition=0, **written)
    form = browser.get(f"/ui/topics/{topic}/0/0/again?headers=keep").form(
        f"/ui/topics/{topic}/produce"
    )
    assert browser.send(form, partition="0", do="send").status == 200
    first, second = browser.http.get(f"/ui/topics/{topic}/download?order=oldest").body.splitlines()
    same = ("key", "value", "headers")
    first, second = json.loads(first), json.loads(second)
    assert [first.get(name) for name in same] == [second.get(name) for name in same]


def test_what_strangers_write_is_inert_in_every_view(browser: Browser, topic: str) -> None:
    hostile = binary(HOSTILE.encode())
    browser.write(topic, hostile, key=hostile, headers=[[HOSTILE, hostile]], partition=0)
    for url in ("", "/0/0", "/0/0?as=text", "/0/0?as=hex", "/0/0/again?headers=keep"):
        page = browser.get(f"/ui/topics/{topic}{url}")
        assert page.status == 200
        if "again" not in url:
            assert_inert(page)
            assert SHOWN in page.text or "hex" in url
    asked = quote(HOSTILE)
    for url in (f"?text={asked}", f"?from={asked}", f"?filter={asked}", f"/0/0?as={asked}"):
        page = browser.get(f"/ui/topics/{topic}{url}")
        assert page.runs_own_scripts_only
        assert not ATTRIBUTES_OF_STRANGERS & page.attributes
    assert browser.get(f"/ui/topics/{asked}").runs_own_scripts_only


def test_many_headers_are_cut(browser: Browser, topic: str) -> None:
    browser.write(topic, 1, headers=[[f"h{number}", "x"] for number in range(2000)], partition=0)
    assert "2 000 headers" in browser.get(f"/ui/topics/{topic}").text
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert "and 1 900 more" in page.text
    assert "h1999" in browser.get(f"/ui/topics/{topic}/0/0?all=1").text


def test_large_values_are_cut_and_can_be_had(browser: Browser, topic: str) -> None:
    text = "x" * 30_000 + "END"
    browser.write(topic, text, partition=0)
    page = browser.get(f"/ui/topics/{topic}/0/0")
    assert "END" not in page.text
    assert len(page.answer.body) < 200_000
    assert "END" in browser.get(f"/ui/topics/{topic}/0/0?all=1").text
    assert browser.http.get(f"/ui/topics/{topic}/0/0/download").body.endswith(b'END"')


def test_values_beyond_the_bound_are_not_decoded(browser: Browser, bus: FakeBus) -> None:
    page = browser.get("/ui/topics")
    browser.send(page.form("/ui/topics"), name="large", configs="max.message.bytes=20000000")
    browser.write("large", "x" * (MOST_DECODED + 1))
    assert "Value text 4.0 MiB" in browser.get("/ui/topics/large/0/0").text
    assert len(browser.get("/ui/topics/large/0/0?all=1").answer.body) < 2_100_000
    assert browser.get("/ui/topics/large").status == 200
    assert browser.get("/ui/topics/large/0/0/again").status == 413


@pytest.mark.parametrize("data", ["\u00e4\U0001f600".encode() * 20_000, b"\xff\xc3" * 40_000])
@pytest.mark.parametrize("letters", [1, 300, 20_000, 1_000_000])
def test_the_beginning_of_a_text_is_what_all_of_it_begins_with(data: bytes, letters: int) -> None:
    for shift in range(3):
        text = bytes(shift) + data
        assert beginning(text, letters) == text.decode("utf-8", "backslashreplace")[:letters]


def test_a_selection_is_downloaded_as_fixture_lines(browser: Browser, topic: str) -> None:
    for number in range(3):
        browser.write(topic, number, partition=0)
    answer = browser.http.get(f"/ui/topics/{topic}/download?order=oldest&filter=value+%3E+0")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["value"] for line in lines] == [1, 2]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{topic}.ndjson"'


def test_records_are_shown_as_they_were_at_a_time(browser: Browser, topic: str) -> None:
    for n in range(2):
        browser.write(topic, {"n": n}, partition=n)
    now = browser.get(f"/ui/topics/{topic}")
    assert ("[0]@0" in now.text, "[1]@0" in now.text, "As of -" in now.text) == (True, True, False)
    page = browser.get(f"/ui/topics/{topic}?as_of=-1h")
    assert "There are no records." in page.text
    assert "What has been deleted, compacted away or gone back from since is not here" in page.text
    page = browser.get(f"/ui/topics/{topic}?as_of=2099-01-01T00:00:00Z")
    assert "[1]@0" in page.text
    assert browser.get(f"/ui/topics/{topic}?as_of=7").status == 400
    assert "is no time" in browser.get(f"/ui/topics/{topic}?as_of=earliest").text
