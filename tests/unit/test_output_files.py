"""Files are replaced and removed only where fakebus wrote them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fakebus.errors import FakebusError
from fakebus.output_files import (
    OutputRefusedError,
    remove_output,
    replacing,
    write_new,
    write_output,
)


def is_ours(content: bytes) -> bool:
    return content.startswith(b"ours")


def write(path: Path, data: bytes = b"ours, new") -> None:
    write_output(path, data, is_ours=is_ours, made_by="the command")


def remove(path: Path) -> None:
    remove_output(path, is_ours=is_ours, made_by="the command")


@pytest.mark.parametrize("present", [None, b"", b"ours, old", b"ours, new"])
def test_what_is_missing_empty_or_ours_is_replaced(tmp_path: Path, present: bytes | None) -> None:
    path = tmp_path / "f"
    if present is not None:
        path.write_bytes(present)
        path.chmod(0o640)
    write(path)
    assert path.read_bytes() == b"ours, new"
    if present is not None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
    remove(path)
    assert not path.exists()
    remove(path)


@pytest.mark.parametrize("act", [write, remove])
def test_a_file_of_somebody_else_stays(tmp_path: Path, act: object) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"theirs")
    with pytest.raises(OutputRefusedError, match="f was not written by the command and would be"):
        act(path)  # type: ignore[operator]
    assert path.read_bytes() == b"theirs"


@pytest.mark.parametrize("act", [write, remove])
@pytest.mark.parametrize("target", ["theirs", "ours"])
def test_nothing_is_written_or_removed_through_a_symbolic_link(
    tmp_path: Path, act: object, target: str
) -> None:
    (tmp_path / "target").write_text(target)
    (tmp_path / "f").symlink_to(tmp_path / "target")
    with pytest.raises(OutputRefusedError, match=r"f is a symbolic link, .* remove the link"):
        act(tmp_path / "f")  # type: ignore[operator]
    assert (tmp_path / "target").read_text() == target
    assert (tmp_path / "f").is_symlink()


@pytest.mark.parametrize("act", [write, remove])
def test_directories_and_pipes_are_refused(tmp_path: Path, act: object) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "p")
    with pytest.raises(OutputRefusedError, match="d is a directory; choose another path"):
        act(tmp_path / "d")  # type: ignore[operator]
    with pytest.raises(OutputRefusedError, match="p is no regular file; choose another path"):
        act(tmp_path / "p")  # type: ignore[operator]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FakebusError, match="no/f cannot be written: No such file or directory"):
        write(tmp_path / "no" / "f")


@pytest.mark.parametrize("present", [None, "older"])
def test_a_write_that_ends_midway_leaves_all_as_it_was(tmp_path: Path, present: str | None) -> None:
    path = tmp_path / "f.csv"
    if present is not None:
        path.write_text(present)
    before = list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt), replacing(path) as beside:  # noqa: PT012 - both are one
        beside.write_text("half")
        assert beside.suffix == ".csv"
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == before
    if present is not None:
        assert path.read_text() == present


def test_new_files_are_written_all_or_none(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a/one", "b/two", "three"))
    (tmp_path / "b").write_text("no directory")
    with pytest.raises(FakebusError, match="cannot be written"):
        write_new({first: b"1", second: b"2"})
    assert not first.exists()
    third.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputRefusedError, match="three: there already"):
        write_new({first: b"1", third: b"3"})
    assert not first.exists()
    write_new({first: b"1", tmp_path / "four": b"4"})
    assert first.read_bytes() == b"1"
