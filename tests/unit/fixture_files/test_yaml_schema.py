"""The published JSON Schemas say what the loader takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from fakebus.cli.main import run
from fakebus.fixture_files.events.event_lines import EVENT_FIELDS
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.generation_hints import HINTS, faker_version
from fakebus.fixture_files.inputs import INPUTS
from fakebus.fixture_files.inputs.input_names import INPUT_NAMES
from fakebus.fixture_files.json_schemas import DEFINITIONS, SCHEMAS
from fakebus.fixture_files.loader import check_fixtures
from fakebus.fixture_files.structure.contract_models import Contract
from fakebus.fixture_files.structure.declarations import Model, declarations, words
from fakebus.fixture_files.structure.event_models import MAX_GENERATED, TimeRange
from fakebus.fixture_files.structure.models import ClockModel, LintModel, RootFile
from fakebus.records.partitioner import PARTITIONERS
from fakebus.schemas.payloads import FORMATS as FORMATS_BY_TYPE
from tests.unit.fixture_files.conftest import WriteSet
from tests.unit.fixture_files.packages import Install
from tests.unit.fixture_files.test_scenarios import REFUND

REPOSITORY = Path(__file__).resolve().parents[3]
SETS = [REPOSITORY / "fixtures", REPOSITORY / "examples" / "json-events"]
EVERYTHING = """\
version: 1
name: orders-set
release: 2.10
clock: {anchor: "2023-11-14T22:13:20Z", tz: UTC}
seed: 1
services: {billing: {client_ids: b-*, groups: [b], addresses: 10.*, commands: ["*b.py"]}}
lineage:
  headers: [{name: x-order, kind: correlation, coding: hex}]
  fields: [{path: order.id, kind: identity, coding: digits, topic: orders}]
partitioner: murmur2_random
compatibility: FULL
lint: {ignore: [unused-schema], conventions: oep41}
include: [more.yaml]
scenarios: refund.yaml
uses:
  - {package: parcel-events, version: ">=2,<3"}
  - {path: ../shared, profile: small}
  - pack: ../other.fbpack
  - {asyncapi: ../other-team.yaml, parameters: {env: dev}}
  - openedx: true
profiles: {demo: {tags: [demo], topics: 'o*', untagged: true}}
subjects:
  - {subject: r, schema: r.avsc}
  - {subject: v, schema: v.avsc, references: [{name: R, subject: r, version: 1}], id: 7,
     type: AVRO, compatibility: NONE, owner: o, consumers: [c],
     readers: {c: v.avsc}}
topics:
  - name: orders
    partitions: 2
    config: {cleanup.policy: delete, retention.ms: 5000000000000}
    key: {format: string, field: total}
    value: {format: json}
    headers: {x: y}
    load:
      - {file: e.ndjson, format: ndjson, key: {format: string}, value: {format: json}, headers: []}
    generate:
      - count: 2
        from: schema
        seed: 5
        with: {total: {sequence: 1, step: 2, text: "o{}"}}
        key: {uuid: x}
        value: {format: json}
        headers: {a: b}
        at: {from: -2d, to: -1d}
        faker_version: "{FAKER}"
        tags: [demo]
      - {count: 1, from: example, key: total, with: {total: {sequence: 1}}}
    owner: lms
    producers: [importer]
    only_owner: true
    consumers: [billing]
    description: what was ordered
    partitioner: consistent
  - name: refunds
    key: {field: order}
    contract: {type: value.kind, match: {"*": {order: {$type: string}}}}
groups:
  - {group: g, offsets: {orders: {"*": earliest, "1": 0}}}
""".replace("{FAKER}", faker_version() or "1.2.3")
FILES = {
    "fakebus.yaml": EVERYTHING,
    "more.yaml": "version: 1\n",
    "refund.yaml": REFUND,
    "e.ndjson": '{"value": {"total": 1}, "at": "-2d", "id": "a", "tags": ["demo"]}\n',
    "r.avsc": '{"type": "record", "name": "R", "fields": []}',
    "v.avsc": '{"type": "record", "name": "V", "fields": [{"name": "r", "type": "R"}]}',
}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(SCHEMAS[name]()))
    return found


def mistakes(name: str, data: object) -> list[str]:
    return [error.message for error in Draft202012Validator(schema(name)).iter_errors(data)]


@pytest.mark.parametrize("name", ["fakebus", "event", "scenario"])
def test_the_schema_is_a_schema_and_describes_every_field(name: str) -> None:
    found = schema(name)
    Draft202012Validator.check_schema(found)
    for place, field in fields_of(found):
        assert "description" in field or "$ref" in field or "const" in field, place


def fields_of(part: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and "additionalProperties" in part:
            for name, field in part["properties"].items():
                yield f"{place}.{name}", field
        for name, inner in part.items():
            yield from fields_of(inner, f"{place}/{name}")
    elif isinstance(part, list):
        for index, inner in enumerate(part):
            yield from fields_of(inner, f"{place}/{index}")


@pytest.mark.parametrize("root", SETS, ids=lambda root: root.name)
def test_the_sets_of_the_repository_fit_the_schemas(root: Path) -> None:
    assert mistakes("fakebus", yaml.safe_load((root / "fakebus.yaml").read_text())) == []
    validator = Draft202012Validator(schema("event"))
    for path in root.rglob("*.ndjson"):
        for line in path.read_text().splitlines()[:20]:
            assert validator.is_valid(json.loads(line)), (path.name, line)


def test_a_set_with_everything_fits_the_schema_and_the_loader(
    write_set: WriteSet, install_set: Install
) -> None:
    root = write_set(FILES)
    install_set("parcel-events", {"fakebus.yaml": "version: 1\n"}, version="2.3")
    (root.parent / "shared").mkdir()
    (root.parent / "shared" / "fakebus.yaml").write_text("version: 1\nprofiles: {small: {}}\n")
    other = root.parent / "other"
    other.mkdir()
    (other / "fakebus.yaml").write_text("version: 1\n")
    (root.parent / "other-team.yaml").write_text("asyncapi: 3.0.0\ninfo: {title: Other}\n")
    assert run(["fixtures", "pack", str(other), "-o", f"{other}.fbpack"]) == 0
    assert check_fixtures(root, now_ms=1_700_000_000_000) == []
    assert mistakes("fakebus", yaml.safe_load(EVERYTHING)) == []
    assert mistakes("scenario", yaml.safe_load(REFUND)) == []
    assert mistakes("event", json.loads(FILES["e.ndjson"])) == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("fakebus", {}),
        ("fakebus", {"version": 1, "topicz": []}),
        ("fakebus", {"version": 1, "topics": [{"name": "a b"}]}),
        ("fakebus", {"version": 1, "topics": [{"name": "a", "value": {"field": "x"}}]}),
        ("fakebus", {"version": 1, "topics": [{"name": "a", "generate": {"count": 0}}]}),
        ("fakebus", {"version": 1, "profiles": {"p": {"tag": "x"}}}),
        ("fakebus", {"version": 1, "uses": ["shared"]}),
        ("fakebus", {"version": 1, "uses": [{"folder": "shared"}]}),
        ("event", {"key": 1}),
        ("event", {"value": 1, "at": "now", "after": "x"}),
        ("event", {"value": 1, "id": "a b"}),
        ("scenario", {"steps": []}),
        ("scenario", {"steps": [{"wait": 2}]}),
        ("scenario", {"steps": [{"wait": "1s", "publish": {}}]}),
    ],
)
def test_mistakes_do_not_fit_the_schema(name: str, data: object) -> None:
    assert mistakes(name, data)


@pytest.mark.parametrize(
    "model", [*DEFINITIONS.values(), RootFile, ClockModel, Contract, LintModel, TimeRange]
)
def test_the_set_with_everything_has_every_field(model: type[Model]) -> None:
    for name in declarations(model):
        assert re.search(rf"\b{name}:", EVERYTHING), name


def test_the_tables_of_the_reference_are_those_of_the_declarations() -> None:
    tool = REPOSITORY / "tools" / "generate_fixture_docs.py"
    check = subprocess.run([sys.executable, tool, "--check"], check=False)
    assert check.returncode == 0, "run: python tools/generate_fixture_docs.py"


def test_the_formats_are_named_where_people_look_for_them() -> None:
    formats = [*FORMATS, *FORMATS_BY_TYPE.values()]
    said = {
        model: re.findall(r"`([\w-]+)`", words()[model]["format"][0])
        for model in ("Load", "Format")
    }
    assert (sorted(said["Load"]), sorted(said["Format"])) == (sorted(INPUT_NAMES), sorted(formats))
    reference = (REPOSITORY / "docs" / "reference" / "fixtures.md").read_text()
    rows = re.findall(r"(?m)^\| `([\w-]+)` \|", reference)
    assert {*INPUTS, *formats} - set(rows) == set()


def test_the_functions_and_names_of_the_schema_are_those_of_the_loader() -> None:
    defined = schema("fakebus")["$defs"]
    branches = {each["required"][0]: set(each["properties"]) for each in defined["hint"]["oneOf"]}
    assert branches == {name: {name, *hint.options} for name, hint in HINTS.items()}
    assert defined["generate"]["properties"]["count"]["maximum"] == MAX_GENERATED
    assert set(defined["load"]["properties"]["format"]["enum"]) == set(INPUT_NAMES)
    assert set(defined["topic"]["properties"]["partitioner"]["enum"]) == set(PARTITIONERS)
    assert set(schema("event")["properties"]) == set(EVENT_FIELDS)


@pytest.mark.parametrize(
    ("arguments", "name"), [([], "fakebus"), (["--events"], "event"), (["--scenario"], "scenario")]
)
def test_the_command_prints_the_schema(
    arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fixtures", "schema", *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == schema(name)
