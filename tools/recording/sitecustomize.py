"""Notes which clients send which requests to a bus, in every process of a run of the tests.

``make compatibility`` puts this directory on PYTHONPATH. Python imports a module of this name when
it starts, so buses in processes of their own are seen too, and nothing of them has to know.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


def install(file: Path, suite: str) -> None:
    """Append a line for every API, version and client that is seen for the first time.

    Args:
        file: where to.
        suite: the name of the run of tests.
    """
    from fakebus.kafka.dispatch import Dispatcher

    seen: set[tuple[Any, ...]] = set()
    begin = Dispatcher.begin

    def noting(self: Dispatcher, client: Any, frame: memoryview) -> Any:
        context, result = begin(self, client, frame)
        row = (
            suite,
            int(context.api_key),
            context.api_version,
            client.client_software_name,
            context.client_id,
        )
        if row not in seen:
            seen.add(row)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(row) + "\n")
        return context, result

    Dispatcher.begin = noting  # type: ignore[method-assign]


class Finder:
    """Finder that waits for the module with the dispatcher, and does nothing to any other.

    Importing it right here would load half of the package into every process.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the module's own spec, with a loader that installs the notes as well."""
        if name != "fakebus.kafka.dispatch":
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.loader is not None  # noqa: PT018 - it is imported
        execute = spec.loader.exec_module

        def execute_and_install(module: ModuleType) -> None:
            execute(module)
            install(Path(os.environ["API_RECORD"]), os.environ["API_SUITE"])

        spec.loader.exec_module = execute_and_install  # type: ignore[method-assign]
        return spec


if "API_RECORD" in os.environ:
    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]
