"""Packs hold what the directory holds, and say what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.packs import write_pack
from fakebus.fixture_files.problems import FixtureError
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000
FILES = {
    "fakebus.yaml": (
        "version: 1\nclock: {anchor: 2023-11-14T22:13:20Z}\n"
        "subjects:\n  - {subject: k, schema: k.avsc}\n"
        "  - {subject: r, schema: r.avsc}\n"
        "  - {subject: v, schema: v.avsc, references: [{name: K, subject: r}], id: 9}\n"
        "topics:\n  - {name: a, partitions: 2, key: {subject: k}, value: {subject: v},"
        " load: a.ndjson, owner: o, consumers: [c], config: {cleanup.policy: compact}}\n"
        "  - {name: b, value: {format: binary}, load: b.ndjson}\n"
        'groups: [{group: g, offsets: {a: {"*": earliest, 1: 0}}}]\n'
    ),
    "k.avsc": '"string"',
    "r.avsc": '{"type": "record", "name": "K", "fields": [{"name": "x", "type": "int"}]}',
    "v.avsc": '{"type": "record", "name": "V", "fields": [{"name": "k", "type": "K"}]}',
    "a.ndjson": (
        '{"key": "k", "value": {"k": {"x": 5}}, "headers": {"h": null}, "id": "i", "tags": ["t"]}\n'
        '{"key": "k", "value": null, "at": "-1d"}\n'
    ),
    # These bytes look like a schema's, and are none.
    "b.ndjson": '{"value": "AAAAAAEC"}\n',
}


@pytest.fixture
def root(write_set: WriteSet) -> Path:
    return write_set(FILES)


@pytest.fixture
def pack(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "set.fbpack"
    assert run(["fixtures", "pack", str(root), "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 3 events, {path.stat().st_size} bytes\n"
    return path


def comparable(fixture_set: FixtureSet) -> FixtureSet:
    topics = tuple(replace(topic, config=dict(topic.config)) for topic in fixture_set.topics)
    return replace(fixture_set, root=Path(), topics=topics)


def test_a_pack_holds_what_the_directory_holds(root: Path, pack: Path) -> None:
    expected = load_fixtures(root, now_ms=NOW_MS)
    assert comparable(load_fixtures(pack, now_ms=NOW_MS)) == comparable(expected)
    assert check_fixtures(pack, now_ms=NOW_MS) == []


def test_records_are_given_the_ids_of_the_registry(root: Path, pack: Path) -> None:
    ids = {("k", 1): 300, ("r", 1): 301, ("v", 1): 1}
    expected = load_fixtures(root, now_ms=NOW_MS, schema_ids=ids)
    found = load_fixtures(pack, now_ms=NOW_MS, schema_ids=ids)
    assert comparable(found) == comparable(expected)
    assert found.streams[1].events[0].record.value == b"\0\0\0\0\1\2"


def test_a_pack_of_a_profile_holds_only_that(
    write_set: WriteSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FILES["fakebus.yaml"] + "profiles: {small: {topics: a}}\n"
    root = write_set({**FILES, "fakebus.yaml": text})
    path = tmp_path / "small.fbpack"
    assert run(["fixtures", "pack", str(root), "-o", str(path), "--profile", "small"]) == 0
    assert [topic.name for topic in load_fixtures(path, now_ms=NOW_MS).topics] == ["a"]


def test_a_profile_of_a_pack_is_refused(pack: Path) -> None:
    with pytest.raises(FixtureError) as raised:
        load_fixtures(pack, now_ms=NOW_MS, profile="small")
    assert str(raised.value) == (
        f'{pack}:1:1: a pack has no profiles, so there is no "small" in it; '
        "pack the profile by itself, with --profile"
    )


def changed(data: bytes, **fields: object) -> bytes:
    packed: bytes = msgpack.packb({**msgpack.unpackb(data), **fields})
    return packed


def test_what_is_no_pack_is_refused_with_the_reason(pack: Path) -> None:
    data = pack.read_bytes()
    damaged = "pack the set again"
    empty = msgpack.packb({})
    cases = {
        b"\xc1": f"the pack is damaged: it is not MessagePack; {damaged}",
        data[:-9]: f"the pack is damaged: it is not MessagePack; {damaged}",
        b"\x05": "this is not a pack of fixtures; make one with  fakebus fixtures pack DIR",
        changed(data, version=2): (
            f"the version of the pack is 2; this fakebus reads version 1; {damaged}"
        ),
        changed(data, body=b"x"): f"the pack is damaged: its checksum is wrong; {damaged}",
    }
    for content, expected in cases.items():
        pack.write_bytes(content)
        (problem,) = check_fixtures(pack, now_ms=NOW_MS)
        assert str(problem) == f"{pack}:1:1: {expected}"
    import hashlib

    for body in (b"x", empty):
        digest = hashlib.sha256(body).hexdigest()
        pack.write_bytes(changed(data, body=body, sha256=digest))
        (problem,) = check_fixtures(pack, now_ms=NOW_MS)
        assert problem.message.startswith("the pack is damaged: ")


def test_a_body_of_another_shape_is_refused(root: Path, pack: Path) -> None:
    fixture_set = load_fixtures(root, now_ms=NOW_MS)
    broken = replace(fixture_set, topics=(), groups=(), schemas=(), streams=())
    write_pack(pack, broken, broken)
    assert load_fixtures(pack, now_ms=NOW_MS).record_count == 0


def test_a_pack_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none.fbpack"
    (problem,) = check_fixtures(path, now_ms=NOW_MS)
    assert str(problem) == (
        f"{path}:1:1: the pack cannot be read: No such file or directory; mend the path"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "set.zip"], "--output set.zip: the name of a pack ends with .fbpack"),
        (["-o", "no/such/set.fbpack"], "no/such/set.fbpack cannot be written"),
    ],
)
def test_an_output_that_cannot_be_is_refused(
    root: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fixtures", "pack", str(root), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_pack_is_not_packed_again(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fixtures", "pack", str(pack), "-o", "x.fbpack"]) == 2
    assert f"{pack} is a pack already" in capsys.readouterr().err


def test_only_a_pack_is_overwritten(
    root: Path, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fixtures", "pack", str(root), "-o", str(pack)]) == 0
    mine = tmp_path / "mine.fbpack"
    mine.write_bytes(msgpack.packb({"format": "mine"}))
    (tmp_path / "link.fbpack").symlink_to(mine)
    for name in ("mine.fbpack", "link.fbpack"):
        assert run(["fixtures", "pack", str(root), "-o", str(tmp_path / name)]) == 2
        assert name in capsys.readouterr().err
    assert mine.read_bytes() == msgpack.packb({"format": "mine"})
