"""What is said of events files, in a topic or under ``include``: formats, headers, keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from fakebus.fixture_files.headers import Headers
from fakebus.fixture_files.problems import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSpec:
    """How keys or values are written: a format, a subject, or both."""

    name: str | None = None
    subject: str | None = None
    version: int | None = None
    """The version of the subject in the set, from 1; ``None`` is the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyField:
    """The field of the value that is the key of events without one."""

    path: str
    """Names of fields, with dots between them."""
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """An events file that is named somewhere, with defaults for its events."""

    file: str
    position: Position
    input_name: str | None = None
    """One of the names in :mod:`fakebus.fixture_files.input_names`; the file's name decides
    when it is ``None``."""
    key_format: FormatSpec | None = None
    key_position: Position | None = None
    key_field: KeyField | None = None
    value_format: FormatSpec | None = None
    value_position: Position | None = None
    headers: Headers = field(default_factory=Headers)
