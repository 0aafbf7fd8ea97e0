"""Processes that a test starts and ends itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def process_of(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a command beside a test, and wait for its end.

    What fails meanwhile ends it, else the test would wait for what nobody has asked to end.

    Args:
        command: what to run.
        options: those of ``subprocess.Popen``.
    """
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
