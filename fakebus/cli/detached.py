"""Bus in the background of a directory: ``up --detach`` starts it, ``status`` and ``down`` find it.

Its state lies in the user's cache, in a folder for each directory that a bus was started in. The
process holds a lock on a file there as long as it lives, so that what a killed one has left
behind is never taken for a running bus, whoever has its process id by now.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fakebus.errors import ConfigError, FakebusError
from fakebus.real_time import monotonic

_LOOK_AGAIN_S = 0.05
_STOP_S = 30.0
_LINES_OF_LOG = 20


class Detached:
    """Bus that was started in the background of a directory, or none.

    Args:
        directory: where it was started.
        environ: names the user's cache.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.directory = directory.resolve()
        key = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        self._folder = _cache(environ) / "fakebus" / key
        self._state = self._folder / "state.json"
        self._lock_file = self._folder / "lock"
        self.log = self._folder / "bus.log"

    def state(self) -> dict[str, Any] | None:
        """Return process id, addresses and so on; ``None`` if no bus runs."""
        lock = self._lock(fcntl.LOCK_SH)
        if lock is not None:
            os.close(lock)
            return None
        # Another command may be just starting it; then nothing is there yet.
        return {**_read(self._state), "directory": str(self.directory), "log": str(self.log)}

    def _lock(self, kind: int) -> int | None:
        """Return the open lock file, ``None`` if a running bus holds it.

        Args:
            kind: LOCK_EX for the bus; LOCK_SH for those who only ask, so that several may.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self._folder.parent, self._folder):
                # Who owns it could let our log overwrite any file, and name any process to stop.
                if {folder.lstat().st_uid, folder.stat().st_uid} != {os.geteuid()}:
                    raise ConfigError(
                        f"{folder} is another user's; name another cache with XDG_CACHE_HOME"
                    )
        except OSError as error:
            raise FakebusError(f"{self._folder} cannot be used: {error.strerror}") from None
        lock = _open(self._lock_file, os.O_RDWR)
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def start(self, arguments: Sequence[str], ready_file: Path | None) -> dict[str, Any]:
        """Start a bus and return its state when clients are served.

        Args:
            arguments: those of ``fakebus up``.
            ready_file: the one that they name, if they name one.

        Raises:
            ConfigError: one runs already, or it did not start.
        """
        lock = self._lock(fcntl.LOCK_EX)
        if lock is None:
            pid = (self.state() or {}).get("pid", "unknown")
            raise ConfigError(
                f"a bus runs in the background of {self.directory} already (process {pid}); see  "
                "fakebus status, or stop it by  fakebus down"
            )
        try:
            # What a killed bus has left would be taken for the state of this one.
            self._state.unlink(missing_ok=True)
            own = self._folder / "ready.json"
            if ready_file is None:
                arguments = [*arguments, f"--ready-file={own}"]
            self._write({})  # the process of the last one is nobody's that down may stop
            with os.fdopen(_open(self.log, os.O_WRONLY | os.O_TRUNC), "wb") as log:
                process = subprocess.Popen(  # noqa: S603 - our own program
                    # -P: what lies in the current directory is no module of ours.
                    [sys.executable, "-P", "-m", "fakebus", "up", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    # It shares the lock, which is free again when all who share it have closed it.
                    pass_fds=(lock,),
                )
            self._write({"pid": process.pid})
            try:
                return self._wait(process, ready_file or own)
            except BaseException:
                process.terminate()
                raise
        finally:
            os.close(lock)

    def _wait(self, process: subprocess.Popen[bytes], ready_file: Path) -> dict[str, Any]:
        while process.poll() is None:
            told = _read(ready_file)
            if told.get("pid") == process.pid:
                self._write(told)
                # It goes on without us; Popen would warn that nobody waits for it.
                process.returncode = 0
                return self.state() or {}
            time.sleep(_LOOK_AGAIN_S)
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "\n".join(lines[-_LINES_OF_LOG:])
        raise StartError(f"the bus did not start (exit code {process.returncode}):\n{shown}")

    def _write(self, state: Mapping[str, Any]) -> None:
        with os.fdopen(_open(self._state, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            file.write(json.dumps(state).encode() + b"\n")

    def stop(self) -> int | None:
        """Stop the bus and wait until it has ended; return its process id, ``None`` if none ran.

        Raises:
            FakebusError: it does not end.
        """
        state = self.state()
        if state is None:
            return None
        pid = state.get("pid")
        if type(pid) is not int or not self._is_held_by(pid):
            raise FakebusError("the bus is just being started; try again")
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it has ended by itself
        except PermissionError:
            raise FakebusError(f"process {pid} is another user's, who has to stop it") from None
        deadline = monotonic() + _STOP_S
        while self.state() is not None:
            if monotonic() > deadline:
                raise FakebusError(
                    f"process {pid} has not ended within {_STOP_S:.0f} s; see {self.log}, or  "
                    f"kill -9 {pid}"
                )
            time.sleep(_LOOK_AGAIN_S)
        self._state.unlink(missing_ok=True)
        return pid

    def _is_held_by(self, pid: int) -> bool:
        """Whether a process is the bus, which has the lock open, and not one with its old id."""
        if pid <= 1:
            return False
        if not Path("/proc/self/fd").is_dir():
            return True  # no Linux; the lock says that a bus runs, and the state which
        lock = self._lock_file.stat()
        try:
            descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            return False
        for descriptor in descriptors:
            with contextlib.suppress(OSError):  # closed by now
                if os.path.samestat(descriptor.stat(), lock):
                    return True
        return False


def _cache(environ: Mapping[str, str]) -> Path:
    # A relative path is to be ignored, as the XDG Base Directory Specification has it.
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    try:
        return named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        raise ConfigError(
            "there is no home directory to keep the log in; name a cache with XDG_CACHE_HOME"
        ) from None


def _open(path: Path, flags: int) -> int:
    """Return an open file of ours, created if need be; never one that a link leads to."""
    try:
        return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise FakebusError(f"{path} cannot be used: {error.strerror}; remove it") from None


def _read(path: Path) -> dict[str, Any]:
    """Return the object in a file of JSON; an empty one if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class StartError(FakebusError):
    """Error: a bus in the background has ended before it was ready; its text has several lines."""

    def __str__(self) -> str:
        """Return the text, whose lines are those of the log."""
        return str(self.args[0])
