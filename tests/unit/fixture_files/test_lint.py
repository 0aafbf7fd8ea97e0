"""What can be seeded, and surprises whoever reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakebus.fixture_files.lint_rules import RULES
from fakebus.fixture_files.loader import check_fixtures
from tests.unit.fixture_files.conftest import WriteSet

CHECKOUT = Path(__file__).resolve().parents[3]
NOW_MS = 1_700_000_000_000
CE = {
    "ce_id": "1",
    "ce_source": "/shop",
    "ce_specversion": "1.0",
    "ce_type": "org.openedx.shop.sales.order.created.v1",
}


def event(**fields: Any) -> dict[str, Any]:
    return {"value": 1, "headers": CE, **fields}


def with_headers(**changes: Any) -> dict[str, Any]:
    headers = {**CE, **changes}
    return event(headers={name: header for name, header in headers.items() if header is not ...})


def found(write_set: WriteSet, *events: object, root: str = "", **files: str) -> list[str]:
    lines = "".join(json.dumps(each) + "\n" for each in events)
    top = root or "version: 1\ntopics: [{name: t, partitions: 2, load: e.ndjson}]\n"
    directory = write_set({"fakebus.yaml": top, "e.ndjson": lines, **files})
    return [
        f"{one.rule} {str(one).removeprefix(f'{directory}/')}"
        for one in check_fixtures(directory, now_ms=NOW_MS)
    ]


CASES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "all well": ([with_headers(ce_time="2024-01-01T00:00:00Z", ce_subject="x")], []),
    "no CloudEvent": ([{"value": 1, "headers": {"a": "b"}}], []),
    "duplicate": (
        [{"value": 1}, {"value": 1}],
        [
            "duplicate-event e.ndjson:2:1: the event is the same as in DIR/e.ndjson:1; "
            "remove one, or give them different times"
        ],
    ),
    "times with small letters and leap seconds": (
        [
            with_headers(ce_time="2016-12-31t23:59:60z"),
            with_headers(ce_id="2", ce_time="9999-12-31T23:59:60Z"),
        ],
        [
            'ce-attribute e.ndjson:2:25: ce_time is "9999-12-31T23:59:60Z", which is not a time '
            'of RFC 3339; write {"$time": "at"}'
        ],
    ),
    "other partitions are no duplicates": (
        [{"value": 1, "partition": 0}, {"value": 1, "partition": 1}, {"value": 1, "partition": 1}],
        [
            "duplicate-event e.ndjson:3:1: the event is the same as in DIR/e.ndjson:2; "
            "remove one, or give them different times"
        ],
    ),
    "other times are no duplicates": ([{"value": 1}, {"value": 1, "at": "-1s"}], []),
    "missing attributes": (
        [with_headers(ce_id=..., ce_type=None)],
        [
            'ce-attribute e.ndjson:1:25: the CloudEvent has no ce_id; add the header "ce_id"',
            'ce-attribute e.ndjson:1:25: the CloudEvent has no ce_type; add the header "ce_type"',
        ],
    ),
    "version": (
        [with_headers(ce_specversion="0.3")],
        [
            "ce-attribute e.ndjson:1:25: ce_specversion is 0.3; the only version is 1.0; "
            'write "1.0", in quotes'
        ],
    ),
    "time": (
        [with_headers(ce_time="yesterday")],
        [
            'ce-attribute e.ndjson:1:25: ce_time is "yesterday", which is not a time of RFC 3339; '
            'write {"$time": "at"}'
        ],
    ),
    "name": (
        [with_headers(ce_mySubject="x")],
        [
            'ce-attribute e.ndjson:1:25: the header "ce_mySubject" is no CloudEvents attribute: '
            "their names are 1 to 20 lower-case letters and digits; rename it, or leave out ce_"
        ],
    ),
    "attribute twice": (
        [event(headers=[*CE.items(), ("ce_id", "2")])],
        ["ce-attribute e.ndjson:1:25: the header ce_id stands twice; remove one"],
    ),
    "same id": (
        [event(), event(value=2)],
        [
            "ce-duplicate-id e.ndjson:2:25: ce_id is the same as in DIR/e.ndjson:1; consumers "
            "take the second for a repetition of the first; "
            'write {"$event": "uuid"}, which differs from event to event'
        ],
    ),
    "same id of another source": (
        [event(), with_headers(ce_source="/bank", ce_type="org.openedx.bank.sales.bill.paid.v1")],
        [],
    ),
    "two producers": (
        [event(), with_headers(ce_id="2", ce_source="/bank")],
        [
            "oep41-one-producer e.ndjson:2:25: events of the type "
            "org.openedx.shop.sales.order.created.v1 come from /shop and from /bank; "
            "one service alone sends the events of a type"
        ],
    ),
    "type": (
        [
            with_headers(ce_type="org.openedx.OrderCreated"),
            with_headers(ce_type="org.openedx.OrderCreated", ce_id="2"),
        ],
        [
            'oep41-type e.ndjson:1:25: the event type "org.openedx.OrderCreated" is not named as '
            "OEP-41 wants it; write org.domain.subdomain.subject.action.v1, in lower case with "
            'underscores; or ignore it by  lint: {ignore: ["oep41-type/org.openedx.OrderCreated"]}'
        ],
    ),
    "size": (
        [event(value="x" * 70_000)],
        [
            "oep41-size e.ndjson:1:11: the value takes 70002 bytes; OEP-41 asks for at most 64 KB; "
            "send a reference to large content instead of the content"
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_findings_are_told_with_rule_and_place(write_set: WriteSet, case: str) -> None:
    events, messages = CASES[case]
    directory = write_set({})
    assert found(write_set, *events) == [each.replace("DIR", str(directory)) for each in messages]


OPENEDX = {
    "type": "record",
    "name": "CloudEvent",
    "namespace": "org.openedx.learning.x.v1",
    "fields": [
        {
            "name": "user",
            "type": {
                "type": "record",
                "name": "User",
                "fields": [
                    {"name": "active", "type": ["null", "boolean"], "default": None},
                    {"name": "id", "type": "long"},
                    {
                        "name": "tags",
                        "type": {
                            "type": "array",
                            "items": {
                                "type": "record",
                                "name": "Tag",
                                "fields": [{"name": "n", "type": ["null", "long"]}],
                            },
                        },
                    },
                ],
            },
        },
        {"name": "other", "type": ["null", "User"], "default": None},
    ],
}
USER = {"active": True, "id": 0, "tags": [{"n": 5}]}
WITH_SUBJECT = (
    "version: 1\nsubjects: [{subject: s, schema: s.avsc}]\n"
    "topics: [{name: t, value: {subject: s}, load: e.ndjson}]\n"
)
MISSING = "is optional and falsy: Open edX's consumers read it as missing"


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ({"user": USER}, []),
        ({"user": {**USER, "active": False}}, ["$.user.active"]),
        ({"user": {**USER, "tags": [{"n": 1}, {"n": 0}]}}, ["$.user.tags[1].n"]),
        ({"user": USER, "other": {**USER, "active": False}}, ["$.other.active"]),
        ({"user": {**USER, "active": None}}, []),
    ],
)
def test_falsy_optional_fields_of_open_edx(
    write_set: WriteSet, value: dict[str, Any], paths: list[str]
) -> None:
    lines = found(write_set, {"value": value}, root=WITH_SUBJECT, **{"s.avsc": json.dumps(OPENEDX)})
    assert lines == [
        f"openedx-falsy-optional e.ndjson:1:11: {path} {MISSING}; "
        "leave it out, or give it another value"
        for path in paths
    ]


def test_falsy_optional_fields_of_others_are_fine(write_set: WriteSet) -> None:
    schema = json.dumps({**OPENEDX, "namespace": "com.example"})
    event = {"value": {"user": {**USER, "active": False}}}
    assert found(write_set, event, root=WITH_SUBJECT, **{"s.avsc": schema}) == []


def test_schemas_that_nothing_uses(write_set: WriteSet) -> None:
    root = (
        "version: 1\nsubjects:\n  - {subject: base, schema: b.avsc}\n"
        "  - {subject: s, schema: s.avsc, references: [{name: B, subject: base}]}\n"
        "  - {subject: extra, schema: b.avsc}\n"
        "topics: [{name: t, value: {subject: s}}]\n"
    )
    base = '{"type": "record", "name": "B", "fields": []}'
    user = '{"type": "record", "name": "S", "fields": [{"name": "b", "type": "B"}]}'
    root += "lint: {ignore: unused-file}\n"
    assert found(write_set, root=root, **{"b.avsc": base, "s.avsc": user}) == [
        'unused-schema fakebus.yaml:5:15: nothing uses the subject "extra"; '
        "name it in a topic's key or value, or remove it"
    ]


def test_a_file_of_events_that_nothing_loads(write_set: WriteSet) -> None:
    root = "version: 1\ntopics: [{name: t, load: e.ndjson}]\n"
    others = {
        "events/u.ndjson": "{}",
        "old.jsonl": "",
        "notes.txt": "",
        ".hidden/h.ndjson": "",
        "other/fakebus.yaml": "version: 1\n",
        "other/o.ndjson": "",
    }
    hint = "at its topic in fakebus.yaml, or remove it"
    assert found(write_set, {"value": 1}, root=root, **others) == [
        "unused-file events/u.ndjson:1:1: nothing loads this file; "
        f"write  load: events/u.ndjson  {hint}",
        f"unused-file old.jsonl:1:1: nothing loads this file; write  load: old.jsonl  {hint}",
    ]
    root = "lint: {ignore: [unused-file/old.jsonl]}\n" + root + "include: [events/u.ndjson]\n"
    assert (
        found(
            write_set,
            {"value": 1},
            root=root,
            **others | {"events/u.ndjson": '{"topic": "t", "value": 2}'},
        )
        == []
    )
    # While something is wrong, nobody knows what would have been loaded.
    broken = found(write_set, {"value": 1}, root="version: 2\n", **others)
    assert [line.split()[0] for line in broken] == ["invalid"]


def test_a_linked_file_is_loaded_under_either_name(write_set: WriteSet) -> None:
    root = "version: 1\ntopics: [{name: t, load: e.ndjson}]\n"
    directory = write_set({"fakebus.yaml": root, "real.ndjson": '{"value": 1}'})
    (directory / "e.ndjson").symlink_to("real.ndjson")
    assert check_fixtures(directory, now_ms=NOW_MS) == []


@pytest.mark.parametrize(
    ("ignored", "count"),
    [
        ("oep41-type", 0),
        ("oep41-type/org.openedx.OrderCreated", 0),
        ("[oep41-type/org.openedx.OrderCreated]", 0),
        ("oep41-type/OrderPaid", 1),
        ("ce-attribute", 1),
    ],
)
def test_rules_can_be_ignored(write_set: WriteSet, ignored: str, count: int) -> None:
    root = f"version: 1\nlint: {{ignore: {ignored}}}\ntopics: [{{name: t, load: e.ndjson}}]\n"
    assert (
        len(found(write_set, with_headers(ce_type="org.openedx.OrderCreated"), root=root)) == count
    )


FOREIGN = (
    with_headers(ce_type="com.example.someevent"),
    with_headers(ce_id="2", ce_type="com.example.someevent", ce_source="/other"),
    with_headers(ce_id="3", ce_type="io.debezium.connector.postgresql.DataChangeEvent"),
    with_headers(
        ce_id="4",
        ce_type="com.github.pull_request.opened",
        ce_iodebeziumtxtotalorder="1",
        ce_iodebeziumtxdatacollectionorder="2",
    ),
    {**with_headers(ce_id="5", ce_type="big"), "value": "x" * 70_000},
)


def test_events_of_others_are_not_held_to_the_rules_of_openedx(write_set: WriteSet) -> None:
    assert found(write_set, *FOREIGN) == []


def test_a_set_may_say_that_its_events_follow_oep41(write_set: WriteSet) -> None:
    root = "version: 1\nlint: {conventions: oep41}\ntopics: [{name: t, load: e.ndjson}]\n"
    rules = [line.split(" ")[0] for line in found(write_set, *FOREIGN, root=root)]
    assert sorted(rules) == [
        *["ce-attribute"] * 2,
        "oep41-one-producer",
        "oep41-size",
        *["oep41-type"] * 4,
    ]


def test_names_of_attributes_are_lower_case_everywhere(write_set: WriteSet) -> None:
    event = with_headers(ce_type="com.example.someevent", ce_mySubject="x")
    assert found(write_set, event) == [
        'ce-attribute e.ndjson:1:25: the header "ce_mySubject" is no CloudEvents attribute: '
        "their names are lower-case letters and digits; rename it, or leave out ce_"
    ]


def test_conventions_that_there_are_not_are_a_mistake(write_set: WriteSet) -> None:
    root = "version: 1\nlint: {conventions: [oep14]}\n"
    assert found(write_set, root=root) == [
        'invalid fakebus.yaml:2:22: there are no conventions "oep14"; did you mean "oep41"?'
    ]


def test_a_rule_that_there_is_not_is_a_mistake(write_set: WriteSet) -> None:
    root = "version: 1\nlint: {ignore: [oep41-typo]}\n"
    assert found(write_set, root=root) == [
        'invalid fakebus.yaml:2:17: there is no rule "oep41-typo"; did you mean "oep41-type"?'
    ]


def test_every_rule_is_described() -> None:
    tested = {line.split()[0] for _, lines in CASES.values() for line in lines}
    elsewhere = {"unused-schema", "unused-file", "openedx-falsy-optional"}
    assert tested | elsewhere == set(RULES)
    documented = (CHECKOUT / "docs" / "reference" / "fixtures.md").read_text()
    for rule in RULES:
        assert f"| `{rule}` | " in documented
