"""Files that users name are read within bounds."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fakebus.input_files import read_at_most, read_text_at_most


def test_a_file_may_have_as_much_as_is_said(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_at_most(path, 5) == b"12345"
    with pytest.raises(ValueError, match="it has more than 4 bytes"):
        read_at_most(path, 4)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("told",))
    writer.start()
    assert read_text_at_most(path, 100) == "told"
    writer.join()


def test_a_device_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="it has more than 1000 bytes"):
        read_at_most(Path("/dev/zero"), 1000)
