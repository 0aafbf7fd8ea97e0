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
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from fakebus.schemas.interface import SchemaError
from fakebus.schemas.protobuf.sources import PREFIX, Sources

_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 30.0
_SHOWN = 400
_MAX_TRIES = 20
"""protoc tells one unknown option of a field or message at a time."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Descriptors, dependencies first."""

    files: list[FileDescriptorProto]
    has_unknown_options: bool
    """Whether the text has options that nothing defines, which the descriptors lack."""


class Compiler:
    """A worker process and the pipe to it; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._answered = False
        self._asked = 0

    def compile(
        self, files: Mapping[str, str], main: str, *, imported_only: bool = False
    ) -> Compiled:
        """Return the descriptors of a file and of all that it imports.

        Args:
            files: texts by the names under which they are imported, dependencies first.
            main: which of them is wanted.
            imported_only: types of a file that is there and not imported are unknown.

        Raises:
            SchemaError: protoc refuses the text, or does not survive it.
        """
        sources = Sources(files)
        unknown: set[str] = set()
        first = answer = self._answer(sources.texts(widened=False), sources.names[main])
        widened = False
        for _ in range(_MAX_TRIES):
            if "error" not in answer:
                break
            # What a file that was not imported defines is known; then what nothing defines.
            strange = _unknown_options(answer["error"]) - unknown
            if (widened or imported_only) and not strange:
                break
            unknown |= strange if widened or imported_only else set()
            widened = not imported_only
            texts = sources.texts(widened=widened, unknown=unknown)
            answer = self._answer(texts, sources.names[main])
        if "error" in answer:
            raise _refusal(first["error"], main, sources)
        found = [FileDescriptorProto.FromString(base64.b64decode(each)) for each in answer["files"]]
        given = sources.given_names
        for file in found:
            file.name = given.get(file.name, file.name)
            file.dependency[:] = [given.get(name, name) for name in file.dependency]
        return Compiled(found, has_unknown_options=bool(unknown))

    def _answer(self, texts: Mapping[str, str], main: str) -> dict[str, Any]:
        with self._lock:
            self._asked += 1
            question = {"number": self._asked, "files": texts, "main": main}
            answer: dict[str, Any] = json.loads(self._ask(json.dumps(question).encode() + b"\n"))
            if answer["number"] != self._asked:
                self._stop()
                raise SchemaError("protoc answers another question")
        return answer

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
        except BaseException:
            # Who is interrupted leaves an answer behind that the next one would take for theirs.
            self._stop()
            raise

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
                # -P: what lies in the current directory is no module of ours.
                [sys.executable, "-P", "-m", "fakebus.schemas.protobuf.worker"],
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


class UnknownTypeError(SchemaError):
    """A text that names what neither it nor a reference defines."""


class _GoneError(Exception):
    pass


COMPILER = Compiler()
"""The one of this process."""


_PLACE = re.compile(r"(\d+):(\d+): ")
_CHATTER = re.compile(r"warning:|^W\d{4} |^WARNING: ")
_OURS = re.compile(rf"{PREFIX}/\d+\.proto")
_UNKNOWN_OPTION = re.compile(r'Option "([^"\n]+)" unknown\.')
_UNKNOWN_TYPE = re.compile(r'" is not defined\.|" unknown\.')


def _unknown_options(text: str) -> set[str]:
    return {match[1].replace("(.", "(") for match in _UNKNOWN_OPTION.finditer(text)}


def no_such_file(name: str) -> str:
    """Return what to do where an import leads nowhere and it matters."""
    return f"{name!r} is imported and is not there: give it as a reference"


def _refusal(text: str, main: str, sources: Sources) -> SchemaError:
    """Return protoc's first complaint, with the names that clients know."""
    lines = [line for line in text.splitlines() if line and not _CHATTER.search(line)]
    first = (lines or ["protoc refuses the text"])[0]
    given = sources.given_names
    said = _OURS.sub(lambda match: given.get(match[0], match[0]), first)
    said = said.removeprefix(f"{main}:").strip()[:_SHOWN]
    is_unknown = _UNKNOWN_TYPE.search(said) is not None
    missing = sources.missing() if is_unknown else []
    if missing:
        said = f"{said.rstrip('.')}; {no_such_file(missing[0])}"
    place = _PLACE.match(said)
    kind = UnknownTypeError if is_unknown else SchemaError
    return kind(said, (1, 1) if place is None else (int(place[1]), int(place[2])))
