"""Library in front of a bus's libc, and the file that tells it what is to fail while it runs."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

WRITES, SYNCS, READS = 1, 2, 4
_CONTROL = struct.Struct("6q")
_OFFSET_AT, _FAILURE_AT, _COUNTED_AT = 0, 8, 32


class Shim:
    """Shim of one bus; it does nothing until it is told to.

    Args:
        directory: of the library, which is built there, and of its file.

    Raises:
        LookupError: there is no compiler; the text says so.
    """

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise LookupError("a disk that fails and a clock that jumps need a C compiler (cc)")
        library, path = directory / "shim.so", directory / "shim.control"
        source = Path(__file__).with_name("shim.c")
        command = [compiler, "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library)]
        subprocess.run([*command, str(source), "-ldl"], check=True)
        path.write_bytes(bytes(_CONTROL.size))
        with path.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _CONTROL.size)
        self.environment = {"LD_PRELOAD": str(library), "TORTURE_SHIM": str(path)}

    def set_clock(self, offset_s: float) -> None:
        """Let the time of the day be so much later than it is."""
        struct.pack_into("q", self._control, _OFFSET_AT, int(offset_s * 1e9))

    def fail(self, operations: int, error: int, every: int = 1) -> None:
        """Let one in ``every`` of these operations on the data file fail with an error number."""
        struct.pack_into("3q", self._control, _FAILURE_AT, operations, error, every)

    def heal(self) -> int:
        """Let nothing fail any more; return how many operations have failed since the last time."""
        struct.pack_into("q", self._control, _FAILURE_AT, 0)
        _, failed = struct.unpack_from("2q", self._control, _COUNTED_AT)
        struct.pack_into("2q", self._control, _COUNTED_AT, 0, 0)
        return int(failed)
