from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.contracts.cases import UNKNOWN_FIELD, shared_cases
from fakebus.fixture_files.contracts.reports import ServiceReport, remove_report, write_report
from fakebus.fixture_files.contracts.shared import SharedTopic, content_of, shared_topics
from fakebus.fixture_files.drift.set_subjects import set_source
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureSet

from ..conftest import WriteSet

SHIPMENT_1 = {
    "type": "record",
    "name": "Shipment",
    "namespace": "parcel",
    "fields": [{"name": "id", "type": "string"}, {"name": "old", "type": "int", "default": 0}],
}
SHIPMENT_2 = {
    **SHIPMENT_1,
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "weight", "type": ["null", "double"], "default": None},
    ],
}
FILES = {
    "fakebus.yaml": """\
version: 1
subjects:
  - {subject: shipments-value, schema: one.avsc}
  - {subject: shipments-value, schema: two.avsc}
  - {subject: parcels-value, schema: parcel.proto}
  - {subject: open-value, schema: open.schema.json}
topics:
  - name: orders
    load: orders.ndjson
    contract:
      type: value.kind
      match:
        "*": {currency: {$regex: "[A-Z]{3}"}}
        placed: {total: {$range: {min: 0}}}
  - {name: shipments, value: {subject: shipments-value}, load: shipments.ndjson}
  - {name: parcels, value: {subject: parcels-value}, load: parcels.ndjson}
  - {name: open, value: {subject: open-value}, load: open.ndjson}
""",
    "one.avsc": json.dumps(SHIPMENT_1),
    "two.avsc": json.dumps(SHIPMENT_2),
    "parcel.proto": 'syntax = "proto3";\nmessage Parcel { string id = 1; }\n',
    "open.schema.json": '{"type": "object", "properties": {"id": {"type": "string"}}}',
    "orders.ndjson": """\
{"key": "1", "value": {"kind": "placed", "total": 3, "currency": "EUR"}, "headers": {"src": "x"}}
{"key": "1", "value": {"kind": "placed", "total": 4.5, "currency": "USD", "note": "n"},\
 "headers": {"src": "x"}}
{"key": "1", "value": {"kind": "gone", "currency": "EUR"}, "headers": {"src": "x"}}
{"key": "1", "value": null}
""",
    "shipments.ndjson": """\
{"key": "s", "value": {"data": {"id": "s", "old": 4}, "version": 1, "subject": "shipments-value"}}
{"key": "t", "value": {"data": {"id": "t", "weight": 2.5}}}
""",
    "parcels.ndjson": '{"key": "p", "value": {"id": "p"}}\n',
    "open.ndjson": '{"key": "o", "value": {"id": "o"}}\n',
}


@pytest.fixture
def loaded(write_set: WriteSet) -> FixtureSet:
    root = write_set(FILES)
    assert check_fixtures(root) == []
    return load_fixtures(root, now_ms=0)


@pytest.fixture
def topics(loaded: FixtureSet) -> dict[str, SharedTopic]:
    return shared_topics(loaded)


def order(value: Any, headers: tuple[tuple[str, bytes], ...] = (("src", b"x"),)) -> Any:
    data = None if value is None else json.dumps(value).encode()
    return content_of("orders", b"1", data, headers, None)


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"kind": "placed", "total": 1, "currency": "EUR", "more": [1]}, []),
        ({"kind": "placed", "total": 1, "currency": "EUR", "note": "x"}, []),
        ({"kind": "gone", "currency": "EUR"}, []),
        (None, []),
        (
            {"kind": "placed", "currency": "eu"},
            [
                "value.total is missing, unlike in the shared events",
                "value.currency is 'eu', which is not as '[A-Z]{3}' has it",
                "value.total is missing",
            ],
        ),
        (
            {"kind": "placed", "total": -1, "currency": "EUR", "note": 3},
            [
                "value.note is integer, not string, unlike in the shared events",
                "value.total is -1, not at least 0",
            ],
        ),
        (
            {"kind": "plced"},
            ["there is no shared event of the type 'plced'; did you mean \"placed\"?"],
        ),
        ({}, ["nothing tells the event's type; the shared events have , gone, placed"]),
    ],
)
def test_an_event_without_a_schema_is_as_the_shared_ones_and_the_contract_say(
    topics: dict[str, SharedTopic], value: Any, problems: list[str]
) -> None:
    if value == {}:
        # The tombstone tells no type, which is then one of the known ones.
        del topics["orders"].events[""]
        problems = ["nothing tells the event's type; the shared events have gone, placed"]
    assert list(topics["orders"].problems(order(value))) == problems


def test_a_header_that_every_shared_event_has_is_asked_for(topics: dict[str, SharedTopic]) -> None:
    content = order({"kind": "gone", "currency": "EUR"}, ())
    problems = list(topics["orders"].problems(content))
    assert problems == ["headers.src is missing, unlike in the shared events"]


def test_values_without_their_schema_are_told(topics: dict[str, SharedTopic]) -> None:
    del topics["shipments"].events["parcel.Shipment"][0]
    topics["shipments"].events[""] = topics["shipments"].events["parcel.Shipment"]
    content = content_of("shipments", b"s", b'{"id": "s"}', (), None)
    assert "value is json, in the shared events avro" in list(topics["shipments"].problems(content))


def test_the_forms_of_shared_events(loaded: FixtureSet, topics: dict[str, SharedTopic]) -> None:
    def forms(topic: str) -> list[tuple[str, str]]:
        return [(one.where, one.form) for one in shared_cases(topics[topic], loaded.schemas)]

    assert forms("orders") == [
        ("orders.ndjson:1", ""),
        ("orders.ndjson:1", UNKNOWN_FIELD),
        ("orders.ndjson:2", ""),
        ("orders.ndjson:3", ""),
        ("orders.ndjson:3", UNKNOWN_FIELD),
        ("orders.ndjson:4", ""),
    ]
    assert forms("shipments") == [
        ("shipments.ndjson:1", ""),
        ("shipments.ndjson:1", "version 2"),
        ("shipments.ndjson:1", UNKNOWN_FIELD),
        ("shipments.ndjson:2", ""),
    ]
    assert forms("parcels") == [("parcels.ndjson:1", ""), ("parcels.ndjson:1", UNKNOWN_FIELD)]
    assert forms("open") == [("open.ndjson:1", ""), ("open.ndjson:1", UNKNOWN_FIELD)]


def test_every_form_can_be_read_with_the_schema_that_it_names(
    loaded: FixtureSet, topics: dict[str, SharedTopic]
) -> None:
    for topic in ("shipments", "parcels", "open"):
        source = set_source(topics[topic].subjects.values())
        for case in shared_cases(topics[topic], loaded.schemas):
            content = content_of(topic, case.record.key, case.record.value, (), source)
            known = {each.schema_id for each in loaded.schemas}
            if content.value.schema_id in known:
                assert content.value.problem is None
            else:
                assert case.schemas[-1].schema_id == content.value.schema_id
                assert UNKNOWN_FIELD in case.schemas[-1].text


def report(path: Path, service: str, **parts: Mapping[str, Any]) -> None:
    document = {"version": 1, "service": service, "sets": {}, "produces": {}, "accepts": {}}
    path.mkdir(exist_ok=True)
    (path / f"{service}.json").write_text(json.dumps({**document, **parts}))


def seen(unknown: bool = False, **fields: str) -> dict[str, Any]:
    names = {f"value.{name}": text for name, text in fields.items()}
    return {"fields": {"value": "object", **names}, "unknownFields": unknown}


@pytest.mark.parametrize(
    ("produced", "accepted", "told"),
    [
        ({"placed": seen(a="string")}, {"placed": seen(a="string")}, []),
        ({"placed": seen(a="integer")}, {"placed": seen(a="number")}, []),
        ({"placed": seen(a="string", b="null")}, {"placed": seen(True, a="string")}, []),
        (
            {"placed": seen(a="string", b="null")},
            {"placed": seen(a="string")},
            ["shop produces value.b, and billing was never seen to accept a field that it does "],
        ),
        (
            {"placed": seen(a="number")},
            {"placed": seen(a="string")},
            ["value.a is number, not string in what shop produces, and billing was never seen"],
        ),
        (
            {"placed": seen(b="null?")},
            {"placed": seen(a="string", b="null?")},
            ["value.a is missing in what shop produces, and billing was never seen to accept an "],
        ),
        (
            {"placed": seen(a="string?")},
            {"placed": seen(a="string")},
            ["value.a is not always there in what shop produces, and billing was never seen"],
        ),
        (
            {"placed": seen(), "paid": seen()},
            {"placed": seen()},
            ["orders (paid): shop produces it, and billing was never seen to accept it"],
        ),
    ],
)
def test_contract_check_names_who_breaks_whom(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    produced: dict[str, Any],
    accepted: dict[str, Any],
    told: list[str],
) -> None:
    report(tmp_path / "all", "shop", produces={"orders": produced})
    report(tmp_path / "all", "billing", accepts={"orders": accepted})
    assert run(["contract", "check", str(tmp_path / "all")]) == bool(told)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(told) + 1
    for line, text in zip(lines, told, strict=False):
        assert line.startswith("breaks: orders (")
        assert text in line
    assert lines[-1] == f"billing, shop: {'1 break' if told else 'nobody breaks anybody'}"


def test_contract_check_notes_who_was_tested_with_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {**seen(a="string"), "schemas": ["orders-value version 2"]}
    second = {**seen(a="string"), "schemas": ["orders-value version 1"]}
    produced = {"orders": {"placed": first}, "lonely": {"": seen()}}
    report(tmp_path, "shop", sets={"parcels": "3"}, produces=produced)
    report(tmp_path, "billing", sets={"parcels": "2"}, accepts={"orders": {"placed": second}})
    assert run(["contract", "check", str(tmp_path), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["severity"], each["topic"]) for each in found] == [
        ("note", "orders"),
        ("note", "lonely"),
        ("note", ""),
    ]
    assert (
        "with orders-value version 2, and billing was tested with orders-value version 1"
        in (found[0]["message"])
    )
    assert found[2]["message"].endswith("billing with 2, shop with 3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a contract report: it is [], not an object"),
        ("{}", "is not a contract report: it has no 'version'; write one"),
        ('{"version": 2}', "is of version 2; this fakebus reads version 1"),
        (
            '{"version": 1, "service": 3, "sets": {}, "produces": {}, "accepts": {}}',
            "is not a contract report: its 'service' is 3, not a text",
        ),
        (
            '{"version": 1, "service": "a", "sets": {}, "produces": {"t": {"": {"fields": '
            '{"x": "text"}}}}, "accepts": {}}',
            "x has the type 'text'; types are",
        ),
    ],
)
def test_a_report_that_is_none_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    assert run(["contract", "check", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert message in error


def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    assert run(["contract", "check", str(tmp_path)]) == 2
    assert "pipe.json cannot be read: it is not a regular file" in capsys.readouterr().err


def test_only_a_report_is_overwritten_or_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(ServiceReport(service="bil\ud800\x1b[31m"), tmp_path / "observed" / "main.json")
    assert "\x1b" not in (tmp_path / "observed" / "main.json").read_text()
    report = ["contract", "report", str(tmp_path / "observed"), "-o"]
    mine, link = tmp_path / "mine.json", tmp_path / "link.json"
    mine.write_text('{"mine": 1}')
    link.symlink_to(mine)
    for path in (mine, link):
        assert run([*report, str(path)]) == 2
        assert path.name in capsys.readouterr().err
        remove_report(path)
    assert mine.read_text() == '{"mine": 1}'
    for _ in range(2):
        assert run([*report, str(tmp_path / "new.json")]) == 0
    remove_report(tmp_path / "new.json")
    assert not (tmp_path / "new.json").exists()


def test_directories_without_reports_and_observations_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["contract", "check", str(tmp_path)]) == 2
    assert run(["contract", "report", str(tmp_path)]) == 2
    assert run(["contract", "check", str(tmp_path / "none.json")]) == 2
    error = capsys.readouterr().err
    assert "there are no reports in" in error
    assert "--fakebus-service NAME" in error
    assert "none.json cannot be read: No such file" in error
    assert "fakebus contract report  writes one" in error


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        ("{type: kind}", '"kind" is not the place of an event\'s type'),
        ("{match: {placed: {a: {$typ: string}}}}", 'there is no matcher "$typ"'),
        ("{match: {placed: {a: {$len: x}}}}", "$len takes a length"),
        ("{matches: {}}", 'a contract has no field "matches"'),
    ],
)
def test_mistakes_in_a_contract_have_a_place(
    write_set: WriteSet, contract: str, message: str
) -> None:
    text = f"version: 1\ntopics:\n  - name: orders\n    contract: {contract}\n"
    (problem,) = check_fixtures(write_set({"fakebus.yaml": text}))
    assert problem.line == 4
    assert message in problem.message


def test_the_report_of_another_service_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for service, code in (("team/billing", 0), ("team-billing", 2), ("team/billing", 0)):
        write_report(ServiceReport(service=service), tmp_path / "observed" / "main.json")
        assert run(["contract", "report", "observed"]) == code
    assert "was not written by fakebus contract report for team-billing" in capsys.readouterr().err
