"""Finding out what kind of events file a file is: by what is said of it, or by its name."""

from __future__ import annotations

from fakebus.fixture_files.inputs import INPUTS
from fakebus.fixture_files.inputs.input import Input

NDJSON = "ndjson"
INPUT_NAMES = (NDJSON, *INPUTS)
"""What the ``format`` of a file may be."""
_NDJSON_SUFFIXES = (".ndjson", ".jsonl")


def input_of(file: str, name: str | None = None) -> Input | None:
    """Return how a file is read; ``None`` for NDJSON.

    Args:
        file: its path.
        name: one of :data:`INPUT_NAMES`; the file's name decides when left out.
    """
    if name is not None:
        return INPUTS.get(name)
    lower = file.lower()
    return next((one for one in INPUTS.values() if lower.endswith(one.suffixes)), None)


def is_events_file(file: str) -> bool:
    """Return whether a file is known by its name to hold events."""
    return file.endswith(_NDJSON_SUFFIXES) or input_of(file) is not None
