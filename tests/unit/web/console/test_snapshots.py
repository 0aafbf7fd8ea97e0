"""Snapshots: taken, compared, gone back to, and forgotten by forms."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import pytest

from fakebus.fixture_files.loader import load_fixtures
from tests.unit.web.console.pages import Browser, Page


def take(browser: Browser, name: str, **fields: str) -> Page:
    return browser.send(browser.get("/ui/snapshots").form("/ui/snapshots"), name=name, **fields)


def test_a_snapshot_is_taken_compared_and_gone_back_to(browser: Browser, topic: str) -> None:
    browser.write(topic, "before", partition=0)
    page = take(browser, f"at-{topic}")
    assert f"The snapshot at-{topic} has been taken" in page.text
    link = f"/ui/snapshots?before=at-{topic}#difference"
    assert link in page.links
    assert "Nothing." in browser.get(link).text
    browser.write(topic, "<script>later</script>\u202e", partition=0)
    page = browser.get(link)
    assert (page.runs_own_scripts_only, "\u202e" in page.text) == (True, False)
    assert f"{topic}[0]: 1 more, 0 gone" in page.text
    assert "<script>later</script>" in page.text
    form = page.form("/ui/snapshots/restore")
    assert browser.send(form, name=f"at-{topic}", confirm="other").status == 400
    assert "1 more, 0 gone" in browser.get(link).text, "nothing was done"
    page = browser.send(form, name=f"at-{topic}", confirm=f"at-{topic}")
    assert f"Everything is as it was at at-{topic}" in page.text
    assert "Nothing." in browser.get(link).text


def test_what_has_come_since_a_snapshot_is_downloaded_as_a_fixture_set(
    browser: Browser, topic: str, tmp_path: Path
) -> None:
    schema = {"type": "record", "name": "Order", "fields": [{"name": "total", "type": "long"}]}
    registration = {"schema": json.dumps(schema)}
    answer = browser.http.post(f"/subjects/{topic}-value/versions", registration)
    framed = b"\0" + int(answer.json["id"]).to_bytes(4, "big") + b"\x0e"
    take(browser, f"at-{topic}")
    avro = {"type": "binary", "data": base64.b64encode(framed).decode()}
    browser.write(topic, avro, key="k", partition=0, headers={"ce_type": "placed"})
    page = browser.get(f"/ui/snapshots?before=at-{topic}")
    (link,) = [each for each in page.links if each.startswith("/ui/snapshots/download?")]
    found = browser.http.get(link)
    assert found.headers["Content-Type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(found.body)).extractall(tmp_path)
    loaded = load_fixtures(tmp_path, now_ms=0)
    assert ([each.name for each in loaded.topics], loaded.record_count) == ([topic], 1)
    lines = (tmp_path / "events" / f"{topic}.ndjson").read_text()
    assert '"total":7' in lines.replace(" ", "")
    assert browser.get("/ui/snapshots/download?before=never").status == 404


def test_an_older_snapshot_is_replaced_only_when_told(browser: Browser, topic: str) -> None:
    assert take(browser, topic).status == 200
    page = take(browser, topic)
    assert (page.status, "tick that it may be replaced" in page.text) == (400, True)
    assert take(browser, topic, replace="1").status == 200


def test_a_snapshot_is_forgotten(browser: Browser, topic: str) -> None:
    form = take(browser, topic).form("/ui/snapshots/delete")
    assert browser.send(form, name=topic).status == 400
    page = browser.send(form, name=topic, confirm=topic)
    assert f"The snapshot {topic} is forgotten" in page.text
    assert browser.get(f"/ui/snapshots?before={topic}").status == 404


@pytest.mark.parametrize("name", ["", "../x", "<b>", "x" * 300])
def test_a_snapshot_has_a_name_that_can_be_written(browser: Browser, name: str) -> None:
    page = take(browser, name)
    assert (page.status, page.runs_own_scripts_only) == (400, True)
