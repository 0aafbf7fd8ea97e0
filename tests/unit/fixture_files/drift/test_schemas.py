"""A set against the schemas of folders, packages and consumers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from fakebus.cli.main import run
from tests.unit.fixture_files.conftest import WriteSet


def avro(*fields: object, name: str = "Order") -> str:
    return json.dumps({"type": "record", "name": name, "fields": fields})


ID = {"name": "id", "type": "int"}
NOTE = {"name": "note", "type": "string"}
NOTE_WITH_DEFAULT = {**NOTE, "default": ""}

ROOT = """\
version: 1
compatibility: {level}
subjects:
  - {{subject: orders-value, schema: order.avsc}}
topics:
  - {{name: orders, owner: shop, consumers: [mail, bills], value: {{subject: orders-value}},
     load: orders.ndjson}}
"""

Drift = Callable[..., str]


@pytest.fixture
def order_set(write_set: WriteSet) -> Callable[..., Path]:
    def make(schema: str = avro(ID), event: str = '{"value": {"id": 1}}', level: str = "BACKWARD"):  # type: ignore[no-untyped-def]
        root = ROOT.format(level=level)
        return write_set({"fakebus.yaml": root, "order.avsc": schema, "orders.ndjson": event})

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def make(**files: str) -> Path:
        root = tmp_path / "service"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            (root / f"{name}.avsc").write_text(text)
        return root

    return make


@pytest.fixture
def drift(capsys: pytest.CaptureFixture[str]) -> Drift:
    def check(*arguments: object, code: int) -> str:
        assert run(["fixtures", "drift", *map(str, arguments)]) == code
        output, errors = capsys.readouterr()
        return output or errors

    return check


def test_equal_schemas_are_no_drift(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    root, service = order_set(), folder(order=f" {avro(ID)}\n")
    assert drift(root, "--from-avsc", service, code=0) == (
        f"{root}: no drift; compared with {service}\n"
    )


def test_a_compatible_change_is_told_and_fails_only_if_asked(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    root, service = order_set(), folder(order=avro(ID, NOTE_WITH_DEFAULT))
    told = drift(root, "--from-avsc", service, code=0)
    assert told == (
        f"{root}/order.avsc:1: drift: {service} (order.avsc) has another schema for orders-value, "
        "compatible under BACKWARD\n"
        '  changed:        "note" (string, default "") is new\n'
        "  concerns:       written by shop; read by mail, bills\n"
        f"  to do:          take it over into {root}/order.avsc, and look at the events\n"
        f"{root}: 1 compatible; compared with {service}\n"
    )
    assert drift(root, "--from-avsc", service, "--strict", code=1) == told


def test_a_breaking_change_says_why_and_which_events_are_out_of_date(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    root, service = order_set(), folder(order=avro(ID, NOTE))
    assert drift(root, "--from-avsc", service, code=1).splitlines()[1:-1] == [
        '  changed:        "note" (string) is new and has no default',
        "  not compatible: with the new schema, older data cannot be read: The reader's field "
        "'note' has no default and the writer has no such field (at /fields/1)",
        "  concerns:       written by shop; read by mail, bills",
        f"  to do:          take it over into {root}/order.avsc, and look at the events",
        f"{root}/orders.ndjson:1: drift: this event cannot be written with the schema that "
        f"{service} (order.avsc) has: $: the field 'note' is missing and has no default",
        "  concerns:       written by shop; read by mail, bills",
        "  to do:          no producer sends such events any more; bring them up to date",
    ]


@pytest.mark.parametrize(
    ("level", "theirs", "code"),
    [
        ("BACKWARD", avro(ID, NOTE), 1),
        ("FORWARD", avro(ID, NOTE), 0),
        ("FULL", avro(ID, NOTE), 1),
        ("NONE", avro({"name": "id", "type": "string"}), 0),
        ("FORWARD", avro(), 1),
        ("BACKWARD", avro(), 0),
    ],
)
def test_the_level_of_the_subject_decides(
    order_set: Callable[..., Path],
    folder: Callable[..., Path],
    drift: Drift,
    level: str,
    theirs: str,
    code: int,
) -> None:
    root = order_set(level=level)
    drift(root, "--from-avsc", folder(order=theirs), code=code)


def test_a_schema_is_found_by_its_name_in_any_file(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    root = order_set()
    service = folder(schema_7=avro(ID, NOTE_WITH_DEFAULT), other=avro(ID, name="Other"))
    assert "(schema_7.avsc) has another schema" in drift(root, "--from-avsc", service, code=0)


def test_broken_schemas_of_others_are_told(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    root, service = order_set(), folder(order=avro(ID), broken="{")
    told = drift(root, "--from-avsc", service, code=0)
    assert told.startswith(f"broken.avsc:1: note: {service} has a schema that cannot be read: ")


def test_schemas_that_build_on_each_other_are_found(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    root = order_set()
    service = folder(
        order=avro(ID, {"name": "to", "type": ["null", "Address"], "default": None}),
        address=avro({"name": "city", "type": "string"}, name="Address"),
    )
    told = drift(root, "--from-avsc", service, code=0)
    assert '"to" (null or record Address, default null) is new\n' in told


def test_a_package_that_has_schema_files(
    order_set: Callable[..., Path],
    drift: Drift,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = tmp_path / "shop_events" / "inner"
    (package / "avro").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    (package / "avro" / "order.avsc").write_text(avro(ID, NOTE_WITH_DEFAULT))
    monkeypatch.syspath_prepend(tmp_path)
    told = drift(order_set(), "--package", "shop-events.inner", code=0)
    assert "drift: shop-events.inner (avro/order.avsc) has another schema for orders-value" in told
    assert "shop_events" not in sys.modules


def test_a_newer_version_in_the_set_is_held_against_the_older_one(
    write_set: WriteSet, folder: Callable[..., Path], drift: Drift
) -> None:
    root = write_set(
        {
            "fakebus.yaml": "version: 1\nsubjects:\n"
            "  - {subject: orders-value, schema: v1.avsc}\n"
            "  - {subject: orders-value, schema: v2.avsc}\n"
            "topics: [{name: orders, value: {subject: orders-value}}]\n",
            "v1.avsc": avro(ID),
            "v2.avsc": avro(ID, NOTE_WITH_DEFAULT),
        }
    )
    told = drift(root, "--from-avsc", folder(order=avro(ID)), code=0)
    assert "does not have the set's schema of orders-value yet, compatible under BACKWARD" in told


@pytest.mark.parametrize(
    ("reader", "code"), [(avro(ID, NOTE_WITH_DEFAULT), 0), (avro(ID, NOTE), 1)]
)
def test_every_reader_is_asked_whether_it_can_read(
    order_set: Callable[..., Path],
    folder: Callable[..., Path],
    drift: Drift,
    reader: str,
    code: int,
) -> None:
    root, service = order_set(), folder(order=reader)
    told = drift(root, "--reader", f"mail={service}", code=code)
    assert told.endswith("compared with mail\n")
    if code:
        assert (
            f"breaking: mail cannot read orders-value version 1 with its schema {service} "
            "(order.avsc)\n" in told
        )
        assert "  to do:          update mail before such events reach it\n" in told


def test_the_readers_that_the_set_names_are_always_asked(write_set: WriteSet, drift: Drift) -> None:
    root = write_set(
        {
            "fakebus.yaml": "version: 1\nsubjects:\n  - subject: orders-value\n"
            "    schema: order.avsc\n    owner: shop\n    consumers: [bills]\n"
            "    readers: {mail: mail.avsc}\n"
            "topics: [{name: orders, value: {subject: orders-value}}]\n",
            "order.avsc": avro(ID),
            "mail.avsc": avro(ID, NOTE),
        }
    )
    told = drift(root, code=1)
    assert f"mail cannot read orders-value version 1 with its schema {root}/mail.avsc" in told
    assert "  concerns:       written by shop; read by bills, mail\n" in told


def test_json_is_for_programs(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    arguments = (order_set(), "--from-avsc", folder(order=avro(ID, NOTE)), "--format", "json")
    found = json.loads(drift(*arguments, code=1))
    assert [one["severity"] for one in found] == ["breaking", "drift"]
    assert found[0]["hit"] == {"producers": ["shop"], "consumers": ["mail", "bills"]}
    assert found[1]["line"] == 1


def test_junit_and_sarif_are_for_continuous_integration(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    arguments = (order_set(), "--from-avsc", folder(order=avro(ID, NOTE)))
    (suite,) = fromstring(drift(*arguments, "--format", "junit", code=1))  # noqa: S314
    assert suite.attrib["name"] == "fakebus fixtures drift"
    assert suite.attrib["failures"] == "2"
    (sarif,) = json.loads(drift(*arguments, "--format", "sarif", code=1))["runs"]
    assert [(one["ruleId"], one["level"]) for one in sarif["results"]] == [
        ("drift-breaking", "error"),
        ("drift-drift", "warning"),
    ]
    ids = {rule["id"] for rule in sarif["tool"]["driver"]["rules"]}
    assert {one["ruleId"] for one in sarif["results"]} <= ids


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--from-avsc", "nowhere"), "there is no folder nowhere; name one that holds schema"),
        (
            ("--package", "no-such-package"),
            "there is no package no-such-package here; install it beside fakebus, or name the "
            "folder of its schemas with --from-avsc",
        ),
        (("--reader", "mail"), "--reader 'mail' is not a reader: write SERVICE=FOLDER"),
        (("--live",), "--live needs --registry: the set has schemas, and so have its records"),
        (("--registry", "x"), "'x' is not the URL of a registry: write http://HOST:PORT"),
    ],
)
def test_what_cannot_be_compared_with_is_explained(
    order_set: Callable[..., Path], drift: Drift, arguments: tuple[str, ...], error: str
) -> None:
    assert f"fakebus: {error}" in drift(order_set(), *arguments, code=2)


def test_a_folder_without_schemas_is_a_mistake(
    order_set: Callable[..., Path], drift: Drift, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert drift(order_set(), "--from-avsc", empty, code=2) == (
        f"fakebus: {empty} holds no schema files: they end with .avsc, .proto or .schema.json\n"
    )


def test_an_event_is_judged_as_it_is_written_and_not_as_it_is_read_back(
    order_set: Callable[..., Path], folder: Callable[..., Path], drift: Drift
) -> None:
    time = {"type": "long", "logicalType": "timestamp-millis"}
    root = order_set(avro({"name": "id", "type": time}), '{"value": {"id": 7}}', "NONE")
    # A time is read back as a text.
    told = drift(root, "--from-avsc", folder(order=avro({**ID, "type": "string"})), code=0)
    assert f"{root}/orders.ndjson:1: drift: this event cannot be written with the schema" in told
