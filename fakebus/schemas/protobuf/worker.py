"""protoc in a process of its own: it is C++ code that reads texts of strangers.

Reads requests from standard input and answers on standard output, one JSON object a line:
``{"number": n, "files": {name: text}, "main": name}`` gives the number again and ``{"files":
[base64 of FileDescriptorProto]}``, dependencies first, or ``{"error": text}``. Ends with its
input. The names become paths: they are those of :mod:`fakebus.schemas.protobuf.sources`, never
those of clients.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakebus.schemas.protobuf.sources import PREFIX, known_files, search_path


def compile_files(files: Mapping[str, str], main: str) -> dict[str, Any]:
    """Return the descriptors of a file and all that it imports, or protoc's complaint."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from grpc_tools import _protoc_compiler

    known = [
        f"-I{prefix.rstrip('/')}={folder}" if prefix else f"-I{folder}"
        for prefix, folder in search_path()
    ]
    with tempfile.TemporaryDirectory(prefix="fakebus-protoc-") as name:
        directory = Path(name)
        for relative, text in files.items():
            if not relative.startswith(f"{PREFIX}/") and relative not in known_files():
                raise ValueError(f"{relative!r} is not a name of ours")
            path = directory / "in" / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        output, complaints = directory / "out", directory / "err"
        arguments = [
            "protoc",
            f"-I{directory / 'in'}",
            *known,
            "--include_imports",
            f"--descriptor_set_out={output}",
            str(directory / "in" / main),
        ]
        with complaints.open("wb") as file:
            kept = os.dup(2)
            os.dup2(file.fileno(), 2)
            try:
                code = _protoc_compiler.run_main([argument.encode() for argument in arguments])
            finally:
                os.dup2(kept, 2)
                os.close(kept)
        if code:
            text = complaints.read_text(encoding="utf-8", errors="replace")
            return {"error": text.replace(f"{directory / 'in'}/", "").strip()}
        compiled = FileDescriptorSet.FromString(output.read_bytes())
        return {
            "files": [
                base64.b64encode(file.SerializeToString(deterministic=True)).decode()
                for file in compiled.file
            ]
        }


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = compile_files(request["files"], request["main"])
        sys.stdout.write(json.dumps({"number": request["number"], **answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
