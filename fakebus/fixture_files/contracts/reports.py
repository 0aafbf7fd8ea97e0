"""What one service was seen to produce and to accept, as a small JSON document.

The document is sorted and holds no times, so that it changes only when the service does, and may be
kept beside the set or published by a build.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fakebus.errors import FakebusError
from fakebus.escaping import printable, printable_json
from fakebus.fixture_files.shapes import Shape, from_text, merged, to_text
from fakebus.fixture_files.sources import read_bounded
from fakebus.output_files import IsOurs, OutputRefusedError, remove_output, write_output
from fakebus.wording import json_mistake

VERSION = 1
OBSERVED = Path(".fakebus") / "observed"
"""Where tests keep what they have seen until a report is written, beneath the root of the tests."""
MAX_BYTES = 16 << 20
_MADE_BY = "fakebus contract report"
_NAMES = ("version", "service", "sets", "produces", "accepts")


class ReportError(FakebusError):
    """A report that cannot be read; the message names the file and the way out."""


@dataclass(slots=True, kw_only=True)
class Observation:
    """Events of one type on one topic, as they were seen."""

    shape: Shape = field(default_factory=dict)
    schemas: set[str] = field(default_factory=set)
    """The schemas of their values, each with subject and version where the set has it."""
    unknown_fields: bool = False
    """Whether events with a field that nobody knows were accepted."""

    def add(self, other: Observation) -> None:
        """Take in what was seen elsewhere."""
        self.shape = merged(self.shape, other.shape) if self.shape else other.shape
        self.schemas |= other.schemas
        self.unknown_fields |= other.unknown_fields


Observations = dict[str, dict[str, Observation]]
"""What was seen, by topic and event type."""


@dataclass(slots=True, kw_only=True)
class ServiceReport:
    """Report of a service."""

    service: str
    sets: dict[str, str] = field(default_factory=dict)
    """The versions of the sets that its tests ran with, by the sets' names."""
    produces: Observations = field(default_factory=dict)
    accepts: Observations = field(default_factory=dict)
    file: str = ""
    """Where it was read from, for messages."""

    def add(self, other: ServiceReport) -> None:
        """Take in another report of the same service."""
        self.sets |= other.sets
        for ours, theirs in ((self.produces, other.produces), (self.accepts, other.accepts)):
            for topic, types in theirs.items():
                for event_type, seen in types.items():
                    note(ours, topic, event_type, seen)

    def to_json(self) -> dict[str, Any]:
        """Return the document."""
        return {
            "version": VERSION,
            "service": self.service,
            "sets": dict(sorted(self.sets.items())),
            "produces": _observations_json(self.produces),
            "accepts": _observations_json(self.accepts),
        }


def note(observations: Observations, topic: str, event_type: str, seen: Observation) -> None:
    """Add what was seen of a type of events on a topic."""
    types = observations.setdefault(topic, {})
    if event_type in types:
        types[event_type].add(seen)
    else:
        types[event_type] = seen


def _observations_json(observations: Observations) -> dict[str, Any]:
    return {
        topic: {name: _observation_json(types[name]) for name in sorted(types)}
        for topic, types in sorted(observations.items())
    }


def _observation_json(seen: Observation) -> dict[str, Any]:
    found: dict[str, Any] = {"fields": to_text(seen.shape)}
    if seen.schemas:
        found["schemas"] = sorted(seen.schemas)
    if seen.unknown_fields:
        found["unknownFields"] = True
    return found


def write_report(report: ServiceReport, path: Path, *, keep_others: bool = False) -> None:
    """Write a report; a report that lies there is replaced.

    Args:
        report: the report.
        path: the file.
        keep_others: whether the report of another service is not replaced. Names of services
            that differ in their signs only may lead to one file.

    Raises:
        OSError: its directory cannot be made.
        FakebusError: the file cannot be written, or something else lies there.
    """
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = printable_json(text).encode()
    is_ours: IsOurs = partial(_is_report_of, report.service) if keep_others else is_report
    made_by = f"{_MADE_BY} for {report.service}" if keep_others else _MADE_BY
    write_output(path, data, is_ours=is_ours, made_by=made_by)


def remove_report(path: Path) -> None:
    """Remove a report; something else that lies there stays."""
    with contextlib.suppress(OutputRefusedError):
        remove_output(path, is_ours=is_report, made_by=_MADE_BY)


def is_report(content: bytes) -> bool:
    """Whether the content of a file is a report's."""
    return _report_in(content) is not None


def _is_report_of(service: str, content: bytes) -> bool:
    found = _report_in(content)
    return found is not None and found["service"] == service


def _report_in(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.keys() == set(_NAMES) else None


def read_report(path: Path) -> ServiceReport:
    """Return the report in a file.

    Raises:
        ReportError: there is none, or it is not one of ours.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, FileNotFoundError):
            reason = f"{reason}; fakebus contract report  writes one in each service"
        raise ReportError(f"{_name(path)} cannot be read: {reason}") from None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{_name(path)} is not JSON: {printable(json_mistake(error))}") from None
    try:
        document = _object("it", document)
        if document.get("version", VERSION) != VERSION:
            raise ReportError(
                f"{_name(path)} is of version {printable(repr(document['version']))}; this fakebus "
                f"reads version {VERSION}: write it again"
            )
        missing = next((name for name in _NAMES if name not in document), None)
        if missing is not None:
            raise ValueError(f"it has no {missing!r}")
        sets = _object("its 'sets'", document["sets"])
        return ServiceReport(
            service=_string("its 'service'", document["service"]),
            sets={name: _string(f"the version of {name!r}", at) for name, at in sets.items()},
            produces=_observations("produces", document),
            accepts=_observations("accepts", document),
            file=str(path),
        )
    except ValueError as error:
        raise ReportError(
            f"{_name(path)} is not a contract report: {printable(str(error))}; write one with  "
            "fakebus contract report"
        ) from None


def _name(path: Path) -> str:
    return printable(str(path))


def _string(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is {value!r:.60}, not a text")
    return value


def _object(what: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is {value!r:.60}, not an object")
    return value


def _observations(verb: str, document: Mapping[str, Any]) -> Observations:
    topics = _object(f"its {verb!r}", document[verb])
    return {
        topic: {
            name: _observation(f"what it {verb} of {name!r} on {topic!r}", seen)
            for name, seen in _object(f"what it {verb} on {topic!r}", types).items()
        }
        for topic, types in topics.items()
    }


def _observation(what: str, seen: object) -> Observation:
    seen = _object(what, seen)
    schemas = seen.get("schemas", [])
    if not isinstance(schemas, list):
        raise ValueError(f"{what}: its 'schemas' are {schemas!r:.60}, not a list")
    fields = _object(f"{what}: its 'fields'", seen.get("fields"))
    types = {name: _string(f"{what}: the field {name!r}", each) for name, each in fields.items()}
    return Observation(
        shape=from_text(types),
        schemas={_string(f"{what}: a schema", each) for each in schemas},
        unknown_fields=seen.get("unknownFields") is True,
    )


def merge_reports(reports: Iterable[ServiceReport]) -> dict[str, ServiceReport]:
    """Return one report for each service, by their names."""
    found: dict[str, ServiceReport] = {}
    for report in reports:
        if report.service in found:
            found[report.service].add(report)
        else:
            found[report.service] = report
    return dict(sorted(found.items()))
