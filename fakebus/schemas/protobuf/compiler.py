"""From ``.proto`` text to descriptors, by the protoc of grpcio-tools in a worker process.

The worker is started when first needed and kept. One that dies or takes too long over a text
costs that text, not the bus.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from fakebus.schemas.interface import SchemaError
from fakebus.schemas.protobuf.imports import PREFIX, renamed, safe_names

_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 30.0
_SHOWN = 400


class Compiler:
    """A worker process and the pipe to it; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._answered = False

    def compile(self, files: Mapping[str, str], main: str) -> list[FileDescriptorProto]:
        """Return the descriptors of a file and of all that it imports, dependencies first.

        Args:
            files: texts by the names under which they are imported.
            main: which of them is wanted.

        Raises:
            SchemaError: protoc refuses the text, or does not survive it.
        """
        names = safe_names(files)
        given = {safe: name for name, safe in names.items()}
        texts = {names[name]: renamed(text, names) for name, text in files.items()}
        request = json.dumps({"files": texts, "main": names[main]}).encode() + b"\n"
        with self._lock:
            answer = json.loads(self._ask(request))
        if "error" in answer:
            complaint = _first_complaint(answer["error"], names[main], given)
            place = _PLACE.match(complaint)
            if place is None:
                raise SchemaError(complaint)
            raise SchemaError(complaint, (int(place[1]), int(place[2])))
        found = [FileDescriptorProto.FromString(base64.b64decode(each)) for each in answer["files"]]
        for file in found:
            file.name = given.get(file.name, file.name)
            file.dependency[:] = [given.get(name, name) for name in file.dependency]
        return found

    def _ask(self, request: bytes) -> bytes:
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - it was started with pipes
        try:
            process.stdin.write(request)
            process.stdin.flush()
            return self._read_line(process)
        except (OSError, _GoneError):
            self._stop()
            raise SchemaError("protoc did not survive the text, or took too long over it") from None

    def _read_line(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None  # noqa: S101 - it was started with pipes
        line = bytearray()
        timeout = _TIMEOUT_S if self._answered else _START_TIMEOUT_S
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], timeout)
            part = os.read(process.stdout.fileno(), 1 << 20) if ready else b""
            if not part:
                raise _GoneError
            line += part
        self._answered = True
        return bytes(line)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        # After a fork the pipe belongs to the parent as well.
        if self._process is None or self._pid != os.getpid():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fakebus.schemas.protobuf.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._pid = os.getpid()
            self._answered = False
            atexit.register(self._stop)
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or self._pid != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class _GoneError(Exception):
    pass


COMPILER = Compiler()
"""The one of this process."""


_PLACE = re.compile(r"(\d+):(\d+): ")
_OURS = re.compile(rf"{PREFIX}/\d+\.proto")
_CHATTER = re.compile(r"warning:|^W\d{4} |^WARNING: ")


def _first_complaint(text: str, main: str, given: Mapping[str, str]) -> str:
    lines = [line for line in text.splitlines() if line and not _CHATTER.search(line)]
    first = (lines or ["protoc refuses the text"])[0].removeprefix(f"{main}:")
    said = _OURS.sub(lambda match: given.get(match[0], match[0]), first)
    return said.strip()[:_SHOWN]
