"""Packs hold what the directory holds, and say what is wrong with them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import pytest

from fakebus.cli.main import run
from fakebus.clock import SystemClock
from fakebus.fixture_files.loader import check_fixtures, load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.packs import Loads, max_unpacked_bytes, write_pack
from fakebus.fixture_files.problems import FixtureError
from fakebus.records.codecs import Codec
from fakebus.records.compression import compress, decompress
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
        "services: {o: {groups: [o-*], commands: [o.py]}}\n"
        "lineage: {headers: [{name: x, kind: cause}], fields: [{path: i, kind: trace}]}\n"
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


MOVING = {
    "fakebus.yaml": (
        "version: 1\nname: moving\nrelease: 2.3\n"
        "subjects:\n  - {subject: r, schema: r.avsc}\n  - {subject: v, schema: v.avsc, "
        "references: [{name: R, subject: r}]}\n"
        "topics:\n  - {name: a, partitions: 9, value: {subject: v}, load: a.ndjson,"
        ' headers: {ce_time: {$time: at, as: "YYYY-MM-DDThh:mm:ssZ"}, ce_id: {$event: uuid}}}\n'
        "  - {name: j, load: [j.ndjson, k.ndjson]}\n"
    ),
    "r.avsc": json.dumps(
        {"type": "record", "name": "R", "fields": [{"name": "t", "type": "long"}]}
    ),
    "v.avsc": json.dumps(
        {
            "type": "record",
            "name": "V",
            "fields": [
                {"name": "r", "type": "R"},
                {"name": "d", "type": {"type": "int", "logicalType": "date"}},
                {"name": "c", "type": {"type": "int", "logicalType": "time-millis"}},
            ],
        }
    ),
    "a.ndjson": (
        '{"key": {"type": "json", "data": {"on": {"$time": "-1d", "as": "date"}}}, "value": {"r": '
        '{"t": {"$time": "-2d", "as": "timestamp-micros"}}, "d": {"$time": "now", "as": "date"}, '
        '"c": {"$time": "-1h", "as": "hh:mm:ss.fff"}}, "id": "e", "at": "-3h"}\n'
    ),
    "j.ndjson": (
        '{"value": {"$$x": {"$time": "now"}, "u": {"$uuid": "u"}, "n": 123456789012345678901234}, '
        '"after": "e +1s"}\n'
        '{"value": {"u": {"$uuid": "u"}, "t": {"$time": "2020-01-01"}}, "at": "2024-01-01"}\n'
        '{"value": [{"$time": "at -1s", "as": "timestamp-seconds"}], "headers": {"h": "x"}}\n'
    ),
    "k.ndjson": '{"value": "plain", "at": "-5m"}\n',
}


@pytest.mark.parametrize("days", [0, 3, 400, 10_000])
def test_times_of_a_pack_are_as_old_as_those_of_its_directory(
    write_set: WriteSet, tmp_path: Path, days: int
) -> None:
    root, path = write_set(MOVING), tmp_path / "set.fbpack"
    assert run(["fixtures", "pack", str(root), "-o", str(path)]) == 0
    now_ms = SystemClock().now_ms() + days * 86_400_000 + 12_345_678
    for ids in (None, {("r", 1): 500, ("v", 1): 600}):
        expected = load_fixtures(root, now_ms=now_ms, schema_ids=ids)
        found = load_fixtures(path, now_ms=now_ms, schema_ids=ids)
        assert comparable(found) == comparable(expected)
    assert (found.name, found.version) == ("moving", "2.3")


PROTO = """syntax = "proto3";
import "google/protobuf/timestamp.proto";
message P { google.protobuf.Timestamp at = 1; int64 ms = 2; string s = 3; }
"""
TEMPLATED = {
    "iso": ("json", '{"t": {"$time": "-1d"}, "u": [{"$time": "at", "as": "hh:mm:ss.ffffff"}]}'),
    "number": ("json", '{"n": {"$time": "at", "as": "timestamp-seconds-float"}}'),
    "avro": ("v", '{"d": {"$time": "now", "as": "date"}, "c": {"$time": "-1h", "as": "hh:mm:ss"}}'),
    "protobuf": ("p", '{"ms": {"$time": "at", "as": "timestamp-millis-text"}, "s": "x"}'),
}
AS_DATA = {
    # The length of what is around it depends on the time.
    "nested": ("p", '{"at": {"$time": "now", "as": "YYYY-MM-DDThh:mm:ss.fffZ"}}'),
    "msgpack": ("msgpack", '{"at": {"$time": "now", "as": "timestamp-millis"}}'),
}


@pytest.mark.parametrize("name", [*TEMPLATED, *AS_DATA])
def test_a_pack_has_templates_where_a_time_can_be_put_into_the_bytes(
    name: str, write_set: WriteSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At a few moments of a day the bytes do not tell where a time stands, and there is none.
    monkeypatch.setattr(SystemClock, "now_ms", lambda clock: 1_795_425_939_669)
    kind, value = {**TEMPLATED, **AS_DATA}[name]
    written = f"format: {kind}" if kind in ("json", "msgpack") else f"subject: {kind}"
    avro = json.loads(MOVING["v.avsc"])
    root = write_set(
        {
            "fakebus.yaml": "version: 1\nsubjects: [{subject: v, schema: v.avsc}, "
            "{subject: p, schema: p.proto}]\n"
            f"topics: [{{name: a, value: {{{written}}}, load: a.ndjson}}]\n",
            "v.avsc": json.dumps({**avro, "fields": avro["fields"][1:]}),
            "p.proto": PROTO,
            "a.ndjson": f'{{"value": {value}}}\n',
        }
    )
    path = tmp_path / "set.fbpack"
    assert run(["fixtures", "pack", str(root), "-o", str(path)]) == 0
    outer = msgpack.unpackb(path.read_bytes())
    body = msgpack.unpackb(decompress(Codec.ZSTD, outer["body"], 1 << 20))
    ((_, _, (_, content), _, _),) = body["streams"][0]["calls"]["events"]
    assert isinstance(content, str) == (name in AS_DATA)
    now_ms = SystemClock().now_ms() + 12_345_678
    found = load_fixtures(path, now_ms=now_ms)
    assert found.streams == load_fixtures(root, now_ms=now_ms).streams


def test_a_pack_of_the_first_version_has_the_times_that_it_was_made_with(
    write_set: WriteSet, tmp_path: Path
) -> None:
    root, path = write_set(MOVING), tmp_path / "set.fbpack"
    assert run(["fixtures", "pack", str(root), "-o", str(path)]) == 0
    outer = msgpack.unpackb(path.read_bytes())
    body = msgpack.unpackb(decompress(Codec.ZSTD, outer["body"], 1 << 20))
    made_ms = body.pop("now_ms")
    for stream in body["streams"]:
        del stream["calls"]
    packed = bytes(compress(Codec.ZSTD, msgpack.packb(body)))
    digest = hashlib.sha256(packed).hexdigest()
    path.write_bytes(msgpack.packb({**outer, "version": 1, "body": packed, "sha256": digest}))
    expected = load_fixtures(root, now_ms=made_ms)
    found = load_fixtures(path, now_ms=made_ms + 86_400_000)
    assert found.streams == expected.streams


def test_a_pack_holds_what_its_set_uses(write_set: WriteSet, tmp_path: Path) -> None:
    write_set({f"shared/{name}": text for name, text in MOVING.items()})
    text = "version: 1\nuses: [{path: ../shared}]\ninclude: [own.ndjson]\n"
    own = '{"topic": "j", "value": {"mine": {"$time": "now", "as": "date"}}}\n'
    root = write_set({"own/fakebus.yaml": text, "own/own.ndjson": own}) / "own"
    path = tmp_path / "set.fbpack"
    assert run(["fixtures", "pack", str(root), "-o", str(path)]) == 0
    now_ms = SystemClock().now_ms() + 5 * 86_400_000
    expected = load_fixtures(root, now_ms=now_ms)
    found = load_fixtures(path, now_ms=now_ms)
    assert found.record_count == 6
    assert comparable(found) == comparable(replace(expected, parts=()))


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
        changed(data, version=3): (
            "the version of the pack is 3; this fakebus reads versions 1 and 2; "
            f"{damaged}, with this version of fakebus"
        ),
        changed(data, body=b"x"): f"the pack is damaged: its checksum is wrong; {damaged}",
    }
    for content, expected in cases.items():
        pack.write_bytes(content)
        (problem,) = check_fixtures(pack, now_ms=NOW_MS)
        assert str(problem) == f"{pack}:1:1: {expected}"
    for body in (b"x", empty):
        digest = hashlib.sha256(body).hexdigest()
        pack.write_bytes(changed(data, body=body, sha256=digest))
        (problem,) = check_fixtures(pack, now_ms=NOW_MS)
        assert problem.message.startswith("the pack is damaged: ")


def test_a_body_of_another_shape_is_refused(root: Path, pack: Path) -> None:
    fixture_set = load_fixtures(root, now_ms=NOW_MS)
    broken = replace(fixture_set, topics=(), groups=(), schemas=(), streams=())
    write_pack(pack, Loads(broken, broken, broken))
    assert load_fixtures(pack, now_ms=NOW_MS).record_count == 0


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (("topics", 0, "partitions"), 10**9),
        (("topics", 0, "partitions"), True),
        (("topics", 0, "name"), "a/b"),
        (("topics", 0, "config"), {"no.such": "x"}),
        (("topics", 0, "config"), 5),
        (("topics", 0, "consumers"), [5]),
        (("topics", 0, "position"), ["file", None, 1]),
        (("topics", 0, "contract"), {"type": 5, "match": {}}),
        (("schemas", 0, "schema_id"), 2**40),
        (("schemas", 0, "schema_id"), "1"),
        (("schemas", 0, "text"), 5),
        (("schemas", 0, "schema_type"), "XML"),
        (("streams", 0, "keys", 0), "text"),
        (("streams", 0, "values", 0), 5),
        (("streams", 0, "partitions", 0), 99),
        (("streams", 0, "partitions", 0), "0"),
        (("streams", 0, "timestamps", 0), 2**63),
        (("streams", 0, "headers", 0), [[5, None]]),
        (("streams", 0, "lines", 0), "1"),
        (("streams", 0, "ids", 0), 5),
        (("streams", 0, "tags", 0), [5]),
        (("streams", 0, "digests", 0), "text"),
        (("streams", 0, "file"), 5),
        (("streams", 0, "calls"), {"anchor_ms": 0, "events": [[0, None, ["json", "[" * 10**5]]]}),
        (("streams", 0, "calls"), [5]),
        (("groups", 0, "group"), 5),
        (("services", 0, "groups"), [5]),
        (("groups", 0, "offsets", 0, "start"), "now"),
        (("name",), 5),
        (("set_version",), [1]),
    ],
)
def test_what_a_directory_could_not_hold_is_refused_in_a_pack(
    pack: Path, path: tuple[str | int, ...], data: object
) -> None:
    outer = msgpack.unpackb(pack.read_bytes())
    body = msgpack.unpackb(decompress(Codec.ZSTD, outer["body"], 1 << 20))
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = data
    packed = bytes(compress(Codec.ZSTD, msgpack.packb(body)))
    digest = hashlib.sha256(packed).hexdigest()
    pack.write_bytes(changed(pack.read_bytes(), body=packed, sha256=digest))
    [problem] = check_fixtures(pack, now_ms=NOW_MS)
    assert problem.message.startswith("the pack is damaged: its content has another shape (")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.fbpack"
    os.mkfifo(path)
    [problem] = check_fixtures(path, now_ms=NOW_MS)
    assert problem.message == "the pack cannot be read: it is not a regular file"


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


def test_a_small_pack_does_not_become_gigabytes(pack: Path) -> None:
    assert max_unpacked_bytes(1000) == 256 << 20
    assert max_unpacked_bytes(1 << 20) == 1000 << 20
    assert max_unpacked_bytes(1 << 30) == 2 << 30
    for body, reason in (
        (bytes((256 << 20) + 1), "unpack to more"),
        (b"\x91" * 100_000 + b"\xc0", "it is nested too deeply"),
    ):
        packed = bytes(compress(Codec.ZSTD, body))
        digest = hashlib.sha256(packed).hexdigest()
        pack.write_bytes(changed(pack.read_bytes(), body=packed, sha256=digest))
        (problem,) = check_fixtures(pack, now_ms=NOW_MS)
        assert reason in problem.message
