"""A set that a command writes is replaced; whatever else lies in its directory stays."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebus.errors import FakebusError
from fakebus.fixture_files.recording.written_sets import ROOT_FILE, WrittenSet, file_stems
from fakebus.output_files import OutputRefusedError

BY = "fakebus test"
ROOT = f"# Written by: {BY}\nversion: 1\n"
FIRST = {ROOT_FILE: ROOT, "schemas/a.avsc": '"int"\n', "events/a.ndjson": "1\n"}
SECOND = {ROOT_FILE: ROOT, "schemas/b.avsc": '"long"\n', "events/b.ndjson": "2\n"}


def write(directory: Path, files: Mapping[str, str] = FIRST) -> None:
    WrittenSet(directory, BY).write(files, editable=lambda path: path.startswith("events/"))


def contents(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): path.read_text()
        for path in directory.rglob("*")
        if path.is_file()
    }


def refused(directory: Path, match: str, files: Mapping[str, str] = SECOND) -> None:
    before = contents(directory)
    with pytest.raises(OutputRefusedError, match=match):
        write(directory, files)
    assert contents(directory) == before


def test_a_set_is_replaced_and_what_it_no_longer_has_is_removed(tmp_path: Path) -> None:
    write(tmp_path / "set")
    write(tmp_path / "set", SECOND)
    assert contents(tmp_path / "set").keys() == SECOND.keys()
    write(tmp_path / "set", SECOND)


def test_files_that_were_there_before_stay(tmp_path: Path) -> None:
    for name in ("events/models.py", "schemas/mine.avsc", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    write(tmp_path)
    write(tmp_path, SECOND)
    found = contents(tmp_path)
    assert {name for name, text in found.items() if text == "mine"} == {
        "events/models.py",
        "schemas/mine.avsc",
        "notes.md",
    }


def test_files_that_were_added_to_a_set_stay(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "events" / "extra.ndjson").write_text("3\n")
    write(tmp_path, SECOND)
    assert contents(tmp_path)["events/extra.ndjson"] == "3\n"
    refused(
        tmp_path,
        r"events/extra\.ndjson was not written by fakebus test and would be overwritten",
        {**SECOND, "events/extra.ndjson": "4\n"},
    )


@pytest.mark.parametrize("name", ["schemas/a.avsc", "events/a.ndjson"])
def test_a_file_of_the_same_name_that_is_not_of_a_set_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("mine")
    refused(tmp_path, "was not written by fakebus test and would be overwritten; choose", FIRST)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "schemas" / "a.avsc").write_text('"string"')
    for files in (SECOND, {**FIRST, ROOT_FILE: f"{ROOT}seed: 1\n"}):
        refused(tmp_path, r"schemas/a\.avsc has been changed since fakebus test wrote it", files)


def test_an_edited_file_of_events_is_replaced_and_not_removed(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "events" / "a.ndjson").write_text("1\n2\n")
    refused(tmp_path, r"events/a\.ndjson has been changed since fakebus test wrote it")
    write(tmp_path, {**FIRST, "events/a.ndjson": "7\n"})
    assert contents(tmp_path)["events/a.ndjson"] == "7\n"


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("version: 1\n", "version: 1\nseed: 7\n"),
        lambda text: text + "topics: [{name: mine}]\n",
        lambda text: re.sub(r"#   events/a.ndjson .*\n", "", text),
        lambda text: text.replace("#   events/", "#   events/extra.ndjson -\n#   events/"),
    ],
)
def test_a_changed_root_file_is_refused(tmp_path: Path, edit: object) -> None:
    write(tmp_path)
    root = tmp_path / ROOT_FILE
    root.write_text(edit(root.read_text()))  # type: ignore[operator]
    refused(tmp_path, r"fakebus\.yaml has been changed since fakebus test wrote it")


def test_a_set_without_a_list_of_its_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / ROOT_FILE).write_text(ROOT)
    refused(tmp_path, "does not list the files of its set")


@pytest.mark.parametrize("interrupted_at", range(6))
@pytest.mark.parametrize("files", [SECOND, {**FIRST, "schemas/a.avsc": '"bytes"'}])
@pytest.mark.parametrize("then", [FIRST, SECOND, {**FIRST, "schemas/a.avsc": '"bytes"'}])
def test_a_run_that_was_interrupted_can_be_repeated(
    tmp_path: Path,
    interrupted_at: int,
    files: Mapping[str, str],
    then: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path)
    done = iter(range(interrupted_at))
    replace = os.replace

    def replace_or_die(*paths: Path) -> None:
        if next(done, None) is None:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_or_die)
        with contextlib.suppress(KeyboardInterrupt):
            write(tmp_path, files)
    write(tmp_path, then)
    found = contents(tmp_path)
    assert {path: text for path, text in found.items() if path != ROOT_FILE}.items() <= {
        **FIRST,
        **files,
        **then,
    }.items()
    write(tmp_path, then)


def test_an_edited_file_is_known_whatever_its_time(tmp_path: Path) -> None:
    write(tmp_path)
    events = tmp_path / "events" / "a.ndjson"
    events.write_text("mine\n")
    os.utime(events, (1, 1))
    refused(tmp_path, r"events/a\.ndjson has been changed since fakebus test wrote it")


def test_a_list_of_before_tells_edited_files_by_their_time(tmp_path: Path) -> None:
    write(tmp_path)
    root = tmp_path / ROOT_FILE
    above, explanation, table = root.read_text().partition("# The files of this set")
    lines = [re.sub("(events.*) -.*", r"\1 -", line) for line in table.splitlines()[:-1]]
    text = "".join(f"{line}\n" for line in lines)
    digest = hashlib.sha256((above + explanation + text).encode()).hexdigest()[:16]
    root.write_text(f"{above}{explanation}{text}#   {ROOT_FILE} {digest}\n")
    events = tmp_path / "events" / "a.ndjson"
    events.write_text("mine\n")
    refused(tmp_path, r"events/a\.ndjson has been changed since fakebus test wrote it")
    os.utime(events, (1, 1))
    write(tmp_path, SECOND)
    assert not events.exists()


def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path)
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = contents(tmp_path)
        with pytest.raises(FakebusError, match="another command is writing to"):
            write(tmp_path, SECOND)
        assert contents(tmp_path) == before
    finally:
        os.close(handle)
    write(tmp_path, SECOND)


def test_ends_of_lines_that_git_has_changed_are_no_change(tmp_path: Path) -> None:
    write(tmp_path)
    for path in [each for each in tmp_path.rglob("*") if each.is_file()]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    write(tmp_path, {**SECOND, "schemas/a.avsc": '"bytes"\n', "events/a.ndjson": "5\n"})


@pytest.mark.parametrize("link", ["events", "schemas", "events/a.ndjson", ROOT_FILE])
@pytest.mark.parametrize("files", [FIRST, SECOND])
def test_nothing_is_written_or_removed_through_a_link(
    tmp_path: Path, link: str, files: Mapping[str, str]
) -> None:
    elsewhere, directory = tmp_path / "elsewhere", tmp_path / "set"
    write(elsewhere, FIRST)
    write(directory, FIRST)
    path = directory / link
    if path.is_dir():
        for each in path.iterdir():
            each.unlink()
        path.rmdir()
    else:
        path.unlink()
    path.symlink_to(elsewhere / link)
    before = contents(elsewhere)
    refused(directory, "is a symbolic link", files)
    assert contents(elsewhere) == before
    assert path.is_symlink()


@pytest.mark.parametrize("path", ["../x", "events/../../x", "/x", ""])
def test_no_file_lies_outside_of_the_set(tmp_path: Path, path: str) -> None:
    (tmp_path / "set").mkdir()
    refused(tmp_path / "set", "would lie outside of", {**FIRST, path: "1"})


@given(st.sets(st.text(st.sampled_from("aA.:/-é"), max_size=4), max_size=12))
def test_names_of_files_differ_also_where_case_does_not_count(names: set[str]) -> None:
    stems = file_stems(names)
    assert stems.keys() == names
    assert len({stem.lower() for stem in stems.values()}) == len(names)
    assert all("/" not in stem for stem in stems.values())


def test_names_of_files_are_kept_where_they_can_be() -> None:
    long = "n" * 300
    stems = file_stems(["orders-value", ":.shop:orders-value", "Foo", "foo", long])
    assert stems["orders-value"] == "orders-value"
    assert stems[":.shop:orders-value"] == "-.shop-orders-value"
    assert stems["Foo"].startswith("Foo-")
    assert stems["foo"].startswith("foo-")
    assert len(stems[long]) <= 230


def test_a_name_that_ends_like_a_lengthened_one_has_another_file() -> None:
    lengthened = file_stems(["a:", "a/"])["a:"]
    stems = file_stems(["a:", "a/", lengthened, lengthened.upper()])
    assert len({stem.lower() for stem in stems.values()}) == 4


def test_no_file_has_the_name_of_a_device() -> None:
    stems = file_stems(["CON", "nul", "com1.orders", "_CON", "console", "aux"])
    assert stems["console"] == "console"
    assert not {stem.lower().split(".")[0] for stem in stems.values()} & {
        "con",
        "nul",
        "com1",
        "aux",
    }
    assert len({stem.lower() for stem in stems.values()}) == 6
