"""What differs between two sets, as people read it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.drift import comparing
from tests.unit.fixture_files.conftest import WriteSet

FILES = {
    "fakebus.yaml": (
        "version: 1\nclock: {anchor: 2026-01-01T00:00:00Z}\n"
        "subjects:\n  - {subject: o, schema: o.avsc}\n"
        "topics:\n  - {name: a, partitions: 2, load: a.ndjson}\n"
        "  - {name: b, value: {subject: o}, load: b.ndjson}\n"
        "  - {name: c, value: {format: binary}, load: c.ndjson}\n"
        'groups: [{group: g, offsets: {a: {"*": earliest}}}]\n'
    ),
    "o.avsc": '{"type": "record", "name": "O", "fields": [{"name": "x", "type": "int"}]}',
    "a.ndjson": (
        '{"key": "k1", "value": {"n": 1, "tags": ["x"]}, "partition": 0, "at": "-3h"}\n'
        '{"key": "k2", "value": {"n": 2}, "partition": 0, "at": "-2h", "headers": {"h": "1"}}\n'
        '{"key": "k3", "value": {"n": 3}, "partition": 1, "at": "-1h"}\n'
    ),
    "b.ndjson": '{"value": {"x": 1}}\n{"value": {"x": 2}}\n',
    "c.ndjson": '{"value": "AAECgA=="}\n',
}

Diff = Callable[..., list[str]]


@pytest.fixture
def diff(write_set: WriteSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Diff:
    """Return the differences that edited files make, and check that the way back has as many."""

    def compare(edits: Mapping[str, str], **changes: str) -> list[str]:
        here = write_set({**FILES, **{f"{name}.ndjson": text for name, text in changes.items()}})
        there = tmp_path / "other"
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(here, there)
        for name, text in edits.items():
            (there / name).write_text(text)
        code = run(["fixtures", "diff", str(here), str(there)])
        output = capsys.readouterr().out
        *lines, last = output.replace(f"{here}/", "").replace(f"{there}/", "+").splitlines()
        number = len([line for line in lines if not line.startswith(" ")])
        plural = "" if number == 1 else "s"
        found = f"{number} difference{plural}" if number else "no differences"
        assert last == f"{here} and {there}: {found}"
        assert code == (1 if number else 0)
        run(["fixtures", "diff", str(there), str(here), "--format", "json"])
        assert len(json.loads(capsys.readouterr().out)) == number
        return lines

    return compare


def changed(name: str, old: str, new: str) -> dict[str, str]:
    assert old in FILES[name]
    return {name: FILES[name].replace(old, new, 1)}


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        ({}, []),
        # Bytes differ, data does not.
        (changed("a.ndjson", '{"n": 1, "tags": ["x"]}', '{"tags":["x"],"n":1}'), []),
        (
            changed("a.ndjson", '"n": 2', '"n": 5, "m": null'),
            [
                "~ a[0]  a.ndjson:2 -> +a.ndjson:2",
                "    value.n: 2 -> 5",
                "    value.m: null is new",
            ],
        ),
        (
            changed("a.ndjson", '["x"]', '["y", "x"]'),
            [
                "~ a[0]  a.ndjson:1 -> +a.ndjson:1",
                '    value.tags[0]: "x" -> "y"',
                '    value.tags[1]: "x" is new',
            ],
        ),
        (
            changed("a.ndjson", '"-1h"', '"-1h1s"'),
            ["~ a[1]  a.ndjson:3 -> +a.ndjson:3", "    time: -1s"],
        ),
        (
            changed("a.ndjson", '{"h": "1"}', '{"h": null, "i": "2"}'),
            [
                "~ a[0]  a.ndjson:2 -> +a.ndjson:2",
                '    header h: "1" -> null',
                '    header i: "2" is new',
            ],
        ),
        (
            changed("a.ndjson", '"key": "k3"', '"key": "k9"'),
            ["~ a[1]  a.ndjson:3 -> +a.ndjson:3", '    key: "k3" -> "k9"'],
        ),
        (
            changed("b.ndjson", '{"value": {"x": 1}}\n', ""),
            ["- b[0]  b.ndjson:1", '    key null, value {"x": 1}'],
        ),
        (
            {"a.ndjson": FILES["a.ndjson"] + '{"key": "k", "value": null, "partition": 1}\n'},
            ["+ a[1]  +a.ndjson:4", '    key "k", value null'],
        ),
        (
            changed("c.ndjson", "AAECgA==", "AAECgQ=="),
            [
                "~ c[0]  c.ndjson:1 -> +c.ndjson:1",
                '    value.bytes: "00010280" -> "00010281"',
            ],
        ),
        (
            changed("fakebus.yaml", "partitions: 2", "partitions: 3"),
            ["~ topic a", "    partitions: 2 -> 3"],
        ),
        (
            changed("fakebus.yaml", "partitions: 2", "partitions: 2, config: {retention.ms: -1}"),
            [],
        ),
        (
            changed("fakebus.yaml", "partitions: 2", "partitions: 2, config: {segment.ms: 9999}"),
            ["~ topic a", "    segment.ms: not set -> 9999"],
        ),
        (
            changed("fakebus.yaml", "earliest", "latest"),
            ["~ group g", "    a/*: earliest -> latest"],
        ),
        (
            changed("fakebus.yaml", "group: g", "group: h"),
            ["- group g", "+ group h"],
        ),
        (
            changed("o.avsc", '"name": "x", ', '"name": "x", "doc": "new", '),
            ["~ subject o", "    version 1 is another schema"],
        ),
        (
            changed(
                "fakebus.yaml",
                "  - {subject: o, schema: o.avsc}\n",
                "  - {subject: o, schema: o.avsc}\n  - {subject: o, schema: p.avsc}\n",
            )
            | {"p.avsc": FILES["o.avsc"].replace('"int"', '"long"')},
            ["~ subject o", "    version 2 is new"],
        ),
        (
            changed("fakebus.yaml", "  - {name: c, value: {format: binary}, load: c.ndjson}\n", ""),
            ["- topic c", "    1 partition, 1 record"],
        ),
    ],
)
def test_differences(diff: Diff, edits: dict[str, str], lines: list[str]) -> None:
    assert diff(edits) == lines


def test_events_in_another_order_differ(diff: Diff) -> None:
    swapped = "\n".join(reversed(FILES["b.ndjson"].splitlines())) + "\n"
    lines = diff({"b.ndjson": swapped})
    assert [line[0] for line in lines if not line.startswith(" ")] == ["+", "-"]


def test_a_missing_set_is_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["fixtures", "diff", str(tmp_path / "no"), str(tmp_path)]) == 2
    assert f"there is no directory {tmp_path}/no; create it with a file" in capsys.readouterr().err


@pytest.mark.parametrize("most", [0, 20_000])
def test_the_two_ways_of_matching_find_the_same(
    diff: Diff, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(comparing, "_TOO_MANY", most)
    chance = random.Random(7)
    rows = [{"key": f"k{number}", "value": {"n": number}, "at": "-1h"} for number in range(400)]
    gone = sorted(chance.sample(range(400), 20))
    before = [json.dumps({**row, "partition": 0}) + "\n" for row in rows]
    after = [line for number, line in enumerate(before) if number not in gone]
    lines = diff({"a.ndjson": "".join(after)}, a="".join(before))
    assert [line for line in lines if not line.startswith(" ")] == [
        f"- a[0]  a.ndjson:{number + 1}" for number in gone
    ]
