"""The notes of ``sitecustomize`` in a process of pytest, whose own import hook comes first."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sitecustomize import Finder, install


def pytest_configure() -> None:
    """Install the notes."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, Finder)]
    install(Path(os.environ["API_RECORD"]), os.environ["API_SUITE"])
