from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run

Impact = Callable[..., dict[str, Any]]

ADDRESS = """{"type": "record", "name": "Address", "fields": [
      {"name": "street", "type": "string"}, {"name": "city", "type": "string"}]}"""
FILES = {
    "set/fakebus.yaml": """\
version: 1
name: shop-events
subjects:
  - subject: orders-value
    schema: order.avsc
    readers: {billing: billing.avsc, shipping: shipping.avsc, mail: mail.avsc}
  - {subject: returns-value, schema: return.avsc}
topics:
  - name: orders
    value: {subject: orders-value}
    owner: shop
    consumers: [audit, billing]
    load: orders.ndjson
  - {name: returns, value: {subject: returns-value}}
""",
    "set/order.avsc": """\
{"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "id", "type": "string"},
  {"name": "email", "type": ["null", "string"], "default": null},
  {"name": "address", "type": ADDRESS}]}
""".replace("ADDRESS", ADDRESS),
    "set/billing.avsc": """\
{"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "id", "type": "string"},
  {"name": "email", "type": ["null", "string"]},
  {"name": "address", "type": {"type": "record", "name": "Address", "fields": [
    {"name": "street", "type": "string"}]}}]}
""",
    "set/shipping.avsc": """\
{"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "id", "type": "string"}]}
""",
    "set/mail.avsc": """\
{"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "mail", "type": ["null", "string"], "default": null, "aliases": ["email"]}]}
""",
    "set/return.avsc": """\
{"type": "record", "name": "Return", "namespace": "shop", "fields": [
  {"name": "to", "type": ADDRESS}]}
""".replace("ADDRESS", ADDRESS),
    "set/orders.ndjson": """\
{"id": "with", "value": {"id": "1", "email": "a@b", "address": {"street": "s", "city": "c"}}}
{"key": "2", "value": {"id": "2", "address": {"street": "s", "city": "c"}}}
""",
}


@pytest.fixture
def impact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Impact:
    """Ask about a change of the set that is there, or of one with other files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()

    def ask(*words: str, files: Mapping[str, str] | None = None, code: int = 1) -> dict[str, Any]:
        for name, text in {**FILES, **(files or {})}.items():
            (tmp_path / name).write_text(text)
        assert run(["impact", *words, "--fixtures", "set", "--json"]) == code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return ask


def broken(found: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["kind"], one["who"], one["where"]) for one in found["breaks"]}


def test_a_field_that_goes_breaks_who_reads_it_without_a_default(impact: Impact) -> None:
    found = impact("orders-value", "--remove-field", "email")
    assert (found["subject"], found["level"], found["compatible"]) == (
        "orders-value",
        "BACKWARD",
        True,
    )
    assert broken(found) == {
        ("reader", "billing", "set/billing.avsc:3"),
        ("fixture", "shop-events with", "set/orders.ndjson:1"),
    }
    # The second event only has the default, which nobody has written.
    assert {one["who"] for one in found["concerned"]} == {"audit", "mail"}
    assert set(found["breaks"][0]) == {"who", "kind", "why", "where"}
    assert 'reads "email" by set/billing.avsc' in found["breaks"][0]["why"]


def test_a_nested_field_breaks_others_that_carry_its_type(impact: Impact) -> None:
    found = impact("orders-value", "--remove-field", "address.street")
    assert broken(found) == {
        ("reader", "billing", "set/billing.avsc:5"),
        ("consumer", "audit", "set/fakebus.yaml:4"),
        ("event", "returns-value", "set/fakebus.yaml:7"),
        ("fixture", "shop-events with", "set/orders.ndjson:1"),
        ("fixture", "shop-events", "set/orders.ndjson:2"),
    }


def test_a_field_that_nobody_reads_or_writes_breaks_nobody(impact: Impact) -> None:
    order = FILES["set/order.avsc"].replace(
        "]}\n",
        """,
      {"name": "spare", "type": ["null", "string"], "default": null}]}\n""",
    )
    found = impact(
        "orders-value", "--remove-field", "spare", files={"set/order.avsc": order}, code=0
    )
    assert found["breaks"] == []


def test_the_end_of_a_subject_names_every_reader_and_every_event(impact: Impact) -> None:
    found = impact("orders-value", "--remove")
    assert {who for kind, who, _ in broken(found) if kind == "reader"} == {
        "billing",
        "shipping",
        "mail",
    }
    assert ("consumer", "audit", "set/fakebus.yaml:4") in broken(found)
    assert [one["where"] for one in found["breaks"] if one["kind"] == "fixture"] == [
        "set/orders.ndjson:1",
        "set/orders.ndjson:2",
    ]


def test_the_level_alone_says_whether_a_schema_is_compatible(impact: Impact) -> None:
    # A field without a default: older events cannot be read, but every reader reads on.
    new = FILES["set/order.avsc"].replace(
        '{"name": "id"', '{"name": "total", "type": "long"}, {"name": "id"'
    )
    found = impact("orders-value", "--schema", "new.avsc", files={"new.avsc": new})
    assert found["compatible"] is False
    kinds = {one["kind"] for one in found["breaks"]}
    assert kinds == {"level", "fixture"}


def test_a_rename_with_an_alias_breaks_readers_of_the_old_name(impact: Impact) -> None:
    new = FILES["set/order.avsc"].replace(
        '{"name": "email"', '{"name": "contact", "aliases": ["email"]'
    )
    found = impact("orders-value", "--schema", "new.avsc", files={"new.avsc": new})
    assert found["compatible"] is True
    assert {who for kind, who, _ in broken(found) if kind == "reader"} == {"billing"}


def test_a_reader_that_could_not_read_before_is_not_broken_by_the_change(impact: Impact) -> None:
    reader = FILES["set/shipping.avsc"].replace('"id"', '"never"')
    found = impact("orders-value", "--remove-field", "email", files={"set/shipping.avsc": reader})
    assert "shipping" not in {one["who"] for one in found["breaks"]}


def test_a_subject_that_others_refer_to_breaks_them_when_it_goes_or_changes(
    impact: Impact,
) -> None:
    files = {
        "set/fakebus.yaml": """\
version: 1
subjects:
  - {subject: address, schema: address.avsc}
  - subject: orders-value
    schema: order.avsc
    references: [{name: shop.Address, subject: address}]
    compatibility: FULL
""",
        "set/address.avsc": ADDRESS.replace('"Address"', '"Address", "namespace": "shop"'),
        "set/order.avsc": FILES["set/order.avsc"].replace(ADDRESS, '"Address"'),
    }
    gone = impact("address", "--remove", files=files)
    assert gone["compatible"] is False
    assert ("event", "orders-value", "set/fakebus.yaml:4") in broken(gone)
    less = impact("address", "--remove-field", "city", files=files)
    assert broken(less) == {("event", "orders-value", "set/fakebus.yaml:4")}


PROTO = (
    'syntax = "proto3"; message Order { string id = 1; string note = 2; optional string tip = 3; }'
)
JSON = """{"title": "Order", "type": "object", "required": ["note"], "properties": {
    "id": {"type": "string"}, "note": {"type": "string"}, "tip": {"type": "string"}}}"""


@pytest.mark.parametrize(("suffix", "schema"), [("proto", PROTO), ("json", JSON)])
def test_readers_in_every_language_break_by_what_they_cannot_do_without(
    impact: Impact, suffix: str, schema: str
) -> None:
    files = {
        "set/fakebus.yaml": f"""\
version: 1
subjects:
  - {{subject: orders-value, schema: o.{suffix}, readers: {{billing: o.{suffix}, van: v.{suffix}}}}}
topics:
  - {{name: orders, value: {{subject: orders-value}}, load: orders.ndjson}}
""",
        f"set/o.{suffix}": schema,
        f"set/v.{suffix}": schema.replace(" string note = 2;", "")
        .replace(', "note": {"type": "string"}', "")
        .replace('"required": ["note"], ', ""),
        "set/orders.ndjson": '{"key": "1", "value": {"id": "1", "note": "n", "tip": "t"}}\n',
    }
    found = impact("orders-value", "--remove-field", "note", files=files)
    assert {one["who"] for one in found["breaks"] if one["kind"] == "reader"} == {"billing"}
    assert [one["where"] for one in found["breaks"] if one["kind"] == "fixture"] == [
        "set/orders.ndjson:1"
    ]
    optional = impact("orders-value", "--remove-field", "tip", files=files)
    assert [one["kind"] for one in optional["breaks"] if one["kind"] == "reader"] == []
    assert {one["who"] for one in optional["concerned"]} == {"billing", "van"}


_TIME = '{"type": "long", "logicalType": "timestamp-millis"}'
_EITHER = '["long", "string"]'


def _avro(kind: str, *more: str) -> str:
    fields = ", ".join([f'{{"name": "id", "type": {kind}}}', *more])
    return f'{{"type": "record", "name": "Order", "fields": [{fields}]}}'


@pytest.mark.parametrize(
    ("suffix", "before", "after", "values"),
    [
        # What is read back is a text, whether a number was written or a text.
        (
            "proto",
            'syntax = "proto3"; message Order { int64 id = 1; }',
            'syntax = "proto3"; message Order { string id = 1; }',
            ['{"id": 7}', '{"id": "7"}'],
        ),
        (
            "avsc",
            _avro(_TIME),
            _avro('"string"'),
            ['{"id": 7}', '{"id": "2026-11-30T10:00:00Z"}'],
        ),
        # A default is read back, whether it was written or not.
        (
            "avsc",
            _avro(_EITHER, '{"name": "note", "type": ["null", "string"], "default": null}'),
            _avro(_EITHER),
            ['{"id": 7, "note": null}', '{"id": 7}'],
        ),
    ],
)
def test_events_are_judged_as_they_are_written(
    impact: Impact,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    before: str,
    after: str,
    values: list[str],
) -> None:
    files = {
        "set/fakebus.yaml": f"""\
version: 1
subjects: [{{subject: orders-value, schema: o.{suffix}}}]
topics: [{{name: orders, value: {{subject: orders-value}}, load: orders.ndjson}}]
""",
        f"set/o.{suffix}": before,
        "set/orders.ndjson": "".join(f'{{"value": {value}}}\n' for value in values),
        f"new.{suffix}": after,
    }
    found = impact("orders-value", "--schema", f"new.{suffix}", files=files)
    named = {one["where"] for one in found["breaks"] if one["kind"] == "fixture"}
    assert named == {"set/orders.ndjson:1"}
    Path(f"set/o.{suffix}").write_text(after)
    assert run(["fixtures", "check", "set"]) == 1
    assert named == set(re.findall(r"set/orders.ndjson:\d+", "".join(capsys.readouterr())))


@pytest.mark.parametrize("syntax", ['syntax = "proto2";', 'syntax = "proto3";'])
def test_a_message_breaks_others_that_carry_it(impact: Impact, syntax: str) -> None:
    message = "message B { optional int32 x = 1; }"
    files = {
        "set/fakebus.yaml": """\
version: 1
subjects:
  - {subject: a, schema: a.proto}
  - {subject: b, schema: b.proto}
""",
        "set/a.proto": f"{syntax} message A {{ optional B b = 1; }} {message}",
        "set/b.proto": f"{syntax} {message}",
        "new.proto": f"{syntax} {message.replace('int32', 'string')}",
    }
    found = impact("b", "--schema", "new.proto", files=files)
    assert ("event", "a", "set/fakebus.yaml:3") in broken(found)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["order-value", "--remove"], 'there is no subject "order-value"; did you mean "orders-va'),
        (["orders-value", "--remove-field", "emial"], 'no field "emial"; did you mean "email"?'),
        (["orders-value", "--schema", "none.avsc"], "none.avsc cannot be read"),
        (["orders-value", "--schema", "bad.avsc"], "bad.avsc:2:9: "),
        (["\x1b[2J", "--remove"], 'no subject "\\x1b[2J"'),
    ],
)
def test_what_cannot_be_asked_is_told_with_the_place(
    impact: Impact, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    impact("orders-value", "--remove")
    Path("bad.avsc").write_text('{"type": "record",\n "name" "Order"}')
    assert run(["impact", *words, "--fixtures", "set"]) == 2
    assert message in capsys.readouterr().err


def test_text_for_people_names_the_same_and_hides_no_exit_code(
    impact: Impact, capsys: pytest.CaptureFixture[str]
) -> None:
    impact("orders-value", "--remove")
    assert run(["impact", "orders-value", "--remove-field", "email", "--fixtures", "set"]) == 1
    output = capsys.readouterr().out
    assert "orders-value: compatible under BACKWARD" in output
    assert "breaks reader billing: reads" in output
    assert "(set/orders.ndjson:1)" in output


def test_the_tests_that_load_broken_events_are_named(impact: Impact, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfakebus_fixtures = other set\n")
    (tmp_path / "tests").mkdir()
    marked = 'x = 1\n@pytest.mark.fakebus(fixtures="../set")\ndef test_it(fakebus): ...\n'
    (tmp_path / "tests" / "test_orders.py").write_text(marked)
    (tmp_path / "tests" / "test_others.py").write_text(marked.replace("../set", "../other"))
    found = impact("orders-value", "--remove-field", "email")
    assert found["tests"] == ["pytest.ini:2", "tests/test_orders.py:2"]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    assert impact("orders-value", "--remove")["tests"] == ["tests/test_orders.py:2"]
    order = FILES["set/order.avsc"].replace('"string"}', '"string", "doc": "x"}', 1)
    same = impact("orders-value", "--schema", "new.avsc", files={"new.avsc": order}, code=0)
    assert same["tests"] == []
