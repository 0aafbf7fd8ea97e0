"""The catalogue as AsyncAPI and for EventCatalog, read by their own parser and linter."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fakebus.cli.main import run
from tests.clients.build import node_command
from tests.clients.program_fixtures import needed

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[2]
FILES = {
    "fakebus.yaml": """\
version: 1
subjects:
  - {subject: a-value, schema: a.avsc}
  - {subject: b-value, schema: b.proto}
  - {subject: c-value, schema: c.json}
topics:
  - {name: a, owner: shop, consumers: ["b & c", mail], value: {subject: a-value}, load: a.ndjson}
  - {name: b, owner: shop, value: {subject: b-value}, config: {cleanup.policy: "compact,delete"}}
  - {name: c, owner: "<shop> 2", value: {subject: c-value}, config: {retention.ms: 86400000}}
  - {name: d, partitions: 3, load: d.ndjson}
""",
    "a.avsc": '{"type": "record", "name": "A", "namespace": "x", "doc": "What A *is*", "fields": '
    '[{"name": "id", "type": "string"}, {"name": "n", "type": ["null", "long"], "default": null}]}',
    "b.proto": 'syntax = "proto3"; package x; message B { string id = 1; }',
    "c.json": '{"title": "C", "type": "object", "properties": {"id": {"type": "string"}}}',
    "a.ndjson": '{"key": "1", "value": {"id": "1"}}\n',
    "d.ndjson": '{"key": "1", "value": {"kind": "d"}}\n',
}


def node(program: str) -> list[str]:
    """Return the command of a program for Node.js."""
    return needed(partial(node_command, program))


def parsed(fixtures: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what the official parser finds in the document of a set."""
    capsys.readouterr()
    assert run(["catalogue", "--fixtures", fixtures, "--format", "asyncapi"]) == 0
    document = capsys.readouterr().out
    told = subprocess.run(
        node("asyncapi"), input=document, capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(told.stdout)
    assert found["errors"] == []
    return found


def test_the_official_parser_finds_no_error_and_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    found = parsed(str(tmp_path), capsys)
    assert sorted(found["channels"]) == ["a", "b", "c", "d"]
    assert sorted(found["messages"]) == ["C", "d", "x.A", "x.B"]
    assert sorted(map(tuple, found["operations"])) == [
        ("receive", "a"),
        ("receive", "a"),
        ("send", "a"),
        ("send", "b"),
        ("send", "c"),
    ]


def test_the_official_parser_reads_the_sets_that_come_with_fakebus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A type of Open edX has a name that Avro does not allow."""
    found = parsed("openedx", capsys)
    assert (len(found["channels"]), len(found["messages"])) == (29, 72)
    assert run(["fixtures", "init", str(tmp_path / "set")]) == 0
    assert parsed(str(tmp_path / "set"), capsys)["channels"] == ["orders"]
    for each in ("fakebus/demo/fixtures", "examples/json-events"):
        assert parsed(str(ROOT / each), capsys)["channels"]


def test_the_linter_of_eventcatalog_finds_nothing_wrong(tmp_path: Path) -> None:
    for name, text in FILES.items():
        # It wants everything to have an owner, and d has none.
        (tmp_path / name).write_text(text.replace("{name: d,", "{name: d, owner: shop,"))
    made = str(tmp_path / "made")
    words = ["--format", "eventcatalog", "-o", made]
    assert run(["catalogue", "--fixtures", str(tmp_path), *words]) == 0
    told = subprocess.run(
        [*node("eventcatalog"), made],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # That d has no schema is all that it warns of.
    found = (told.returncode, "1 problem (0 errors, 1 warnings)" in told.stdout)
    assert found == (0, True), told.stdout
