"""Findings beyond mistakes: what can be seeded, but surprises whoever reads it.

Each rule has a name. ``lint: {ignore: [...]}`` in ``fakebus.yaml`` silences a rule, or a rule
for one thing: ``oep41-type`` or ``oep41-type/org.example.order``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from fakebus.fixture_files.events.event_lines import EventLine
from fakebus.fixture_files.lint_rules import OEP41
from fakebus.fixture_files.problems import Position, ProblemList, quoted
from fakebus.fixture_files.sources import ROOT_FILE, files_below
from fakebus.fixture_files.structure.models import Topic
from fakebus.fixture_files.structure.schema_set import SchemaSet
from fakebus.fixture_files.times import parse_rfc_3339
from fakebus.records.record import NewRecord
from fakebus.schemas.interface import ParsedSchema

_REQUIRED = ("ce_id", "ce_source", "ce_specversion", "ce_type")
_CE_HEADERS = re.compile(r"ce_[a-z0-9]+")
_SHORT_CE_HEADERS = re.compile(r"ce_[a-z0-9]{1,20}")
"""CloudEvents say that names SHOULD NOT be longer."""
# {Reverse DNS}.{Architecture Subdomain}.{Subject}.{Action}.{Major Version}
_OEP41_TYPE = re.compile(r"[a-z]+\.[a-z0-9]+(\.[a-z0-9_]+){3,}\.v[0-9]+")
_MAX_EVENT_BYTES = 64 * 1024
_OPENEDX = "org.openedx."
_OPENEDX_BYTES = _OPENEDX.encode()
_EVENT_FILES = (".ndjson", ".jsonl")


class Linter:
    """Linter of the events of a set, one after the other.

    Args:
        problems: where findings go.
        ignored: rules, or ``rule/thing``.
        conventions: those that all events of the set follow. OEP-41 is Open edX's: other
            events are held to it only where the set says so.
    """

    def __init__(
        self, problems: ProblemList, ignored: Iterable[str], conventions: Collection[str] = ()
    ) -> None:
        self._problems = problems
        self._follows_oep41 = OEP41 in conventions
        self._ignored = frozenset(ignored)
        self._seen: dict[tuple[object, ...], EventLine] = {}
        self._ids: dict[tuple[bytes | None, bytes | None], EventLine] = {}
        self._sources: dict[bytes, bytes | None] = {}
        self._types: set[bytes] = set()
        self._finders: dict[ParsedSchema, _Finder | None] = {}

    def _add(
        self,
        event: EventLine,
        rule: str,
        message: str,
        hint: str,
        *,
        field: str = "",
        thing: str = "",
    ) -> None:
        if rule not in self._ignored and f"{rule}/{thing}" not in self._ignored:
            self._problems.add(event.position(field), message, hint, rule=rule)

    def event(
        self,
        event: EventLine,
        topic: Topic,
        record: NewRecord,
        schema: ParsedSchema | None,
        value: object,
    ) -> None:
        """Look at one event.

        Args:
            event: the line that it comes from.
            topic: where it goes.
            record: what it becomes.
            schema: the schema of its value, if it has one.
            value: its value, decoded with that schema.
        """
        # Where an event names no partition, the key or its turn chooses one.
        place = topic.name, event.fields.get("partition")
        same = (*place, record.key, record.value, record.headers, record.timestamp_ms)
        first = self._seen.setdefault(same, event)
        if first is not event:
            self._add(
                event,
                "duplicate-event",
                f"the event is the same as in {first.file.display}:{first.line}",
                "remove one, or give them different times",
            )
        headers = dict(record.headers)
        is_openedx = self._is_openedx(headers.get("ce_type"))
        names = tuple([name for name, _ in record.headers])
        attributes = _attributes(names, are_short=is_openedx)
        if attributes.is_any:
            self._cloud_event(event, headers, attributes, is_openedx)
        size = len(record.value or b"")
        if size > _MAX_EVENT_BYTES and names and is_openedx:
            self._add(
                event,
                "oep41-size",
                f"the value takes {size} bytes; OEP-41 asks for at most 64 KB",
                "send a reference to large content instead of the content",
                field="value",
                thing=topic.name,
            )
        if schema is not None and schema.schema_type == "AVRO":
            self._falsy(event, schema, value)

    def _cloud_event(
        self,
        event: EventLine,
        found: Mapping[str, bytes | None],
        attributes: _Attributes,
        is_openedx: bool,
    ) -> None:
        for name in attributes.twice:
            self._attribute(event, f"the header {name} stands twice", "remove one", name)
        for name in _REQUIRED:
            if not found.get(name):
                self._attribute(
                    event, f"the CloudEvent has no {name}", f'add the header "{name}"', name
                )
        version, time = found.get("ce_specversion"), found.get("ce_time")
        if version and version != b"1.0":
            message = f"ce_specversion is {_text(version)}; the only version is 1.0"
            self._attribute(event, message, 'write "1.0", in quotes', "ce_specversion")
        if time and not _is_rfc3339(_text(time)):
            message = f"ce_time is {quoted(_text(time))}, which is not a time of RFC 3339"
            self._attribute(event, message, 'write {"$time": "at"}', "ce_time")
        for name in attributes.ill_formed:
            count = "1 to 20 " if is_openedx else ""
            message = (
                f"the header {quoted(name)} is no CloudEvents attribute: "
                f"their names are {count}lower-case letters and digits"
            )
            self._attribute(event, message, "rename it, or leave out ce_", name)
        self._identity(event, found, is_openedx)
        event_type = found.get("ce_type")
        if event_type and is_openedx and event_type not in self._types:
            self._types.add(event_type)
            self._type(event, event_type.decode("utf-8", "replace"))

    def _is_openedx(self, event_type: bytes | None) -> bool:
        return self._follows_oep41 or (event_type or b"").startswith(_OPENEDX_BYTES)

    def _attribute(self, event: EventLine, message: str, hint: str, name: str) -> None:
        self._add(event, "ce-attribute", message, hint, field="headers", thing=name)

    def _identity(
        self, event: EventLine, found: Mapping[str, bytes | None], is_openedx: bool
    ) -> None:
        source, event_id = found.get("ce_source"), found.get("ce_id")
        if event_id:
            first = self._ids.setdefault((source, event_id), event)
            if first is not event:
                self._add(
                    event,
                    "ce-duplicate-id",
                    f"ce_id is the same as in {first.file.display}:{first.line}; "
                    "consumers take the second for a repetition of the first",
                    'write {"$event": "uuid"}, which differs from event to event',
                    field="headers",
                )
        event_type = found.get("ce_type")
        if not event_type or not source or not is_openedx:
            return
        known = self._sources.setdefault(event_type, source)
        if known != source:
            name = event_type.decode("utf-8", "replace")
            self._add(
                event,
                "oep41-one-producer",
                f"events of the type {name} come from {_text(known)} and from {_text(source)}",
                "one service alone sends the events of a type",
                field="headers",
                thing=name,
            )

    def _type(self, event: EventLine, name: str) -> None:
        if is_oep41_type(name):
            return
        self._add(
            event,
            "oep41-type",
            f"the event type {quoted(name)} is not named as OEP-41 wants it",
            "write org.domain.subdomain.subject.action.v1, in lower case with underscores; "
            f'or ignore it by  lint: {{ignore: ["oep41-type/{name}"]}}',
            field="headers",
            thing=name,
        )

    def _falsy(self, event: EventLine, schema: ParsedSchema, value: object) -> None:
        if schema not in self._finders:
            self._finders[schema] = _openedx_finder(json.loads(schema.canonical))
        find = self._finders[schema]
        for path in () if find is None else find(value):
            self._add(
                event,
                "openedx-falsy-optional",
                f"${path} is optional and falsy: Open edX's consumers read it as missing",
                "leave it out, or give it another value",
                field="value",
                thing=schema.name or "",
            )

    def unused_schemas(self, schemas: SchemaSet, used: frozenset[str]) -> None:
        """Report subjects that nothing uses."""
        referred = {reference.subject for each in schemas for reference, _ in each.references}
        for each in schemas:
            subject = each.spec.subject
            ignored = {"unused-schema", f"unused-schema/{subject}"} & self._ignored
            if each.version == 1 and subject not in used | referred and not ignored:
                self._problems.add(
                    each.spec.position,
                    f"nothing uses the subject {quoted(subject)}",
                    "name it in a topic's key or value, or remove it",
                    rule="unused-schema",
                )


def unused_files(root: Path, named: Collection[Path], ignored: Collection[str]) -> ProblemList:
    """Return a finding for each file of events that nothing loads.

    Args:
        root: the set's directory.
        named: the files that the set names, with its profiles; resolved.
        ignored: rules, or ``rule/thing``.
    """
    problems = ProblemList()
    for path in files_below(root, _EVENT_FILES):
        file = path.relative_to(root).as_posix()
        if path.resolve() in named or {"unused-file", f"unused-file/{file}"} & {*ignored}:
            continue
        problems.add(
            Position(str(path)),
            "nothing loads this file",
            f"write  load: {file}  at its topic in {ROOT_FILE}, or remove it",
            rule="unused-file",
        )
    return problems


def is_oep41_type(name: str) -> bool:
    """Whether an event type is named as OEP-41 wants it."""
    return _OEP41_TYPE.fullmatch(name) is not None


def _text(data: bytes | None) -> str:
    return "nowhere" if data is None else data.decode("utf-8", "replace")


class _Attributes(NamedTuple):
    """Attributes of a CloudEvent, as the names of its headers tell them."""

    is_any: bool
    twice: Sequence[str]
    ill_formed: Collection[str]


# The events of a topic have the same headers.
@lru_cache(maxsize=1024)
def _attributes(names: tuple[str, ...], are_short: bool) -> _Attributes:
    well_formed = _SHORT_CE_HEADERS if are_short else _CE_HEADERS
    found = [name for name in names if name.startswith("ce_")]
    return _Attributes(
        is_any=bool(found),
        twice=[name for at, name in enumerate(found) if name in found[:at]],
        ill_formed=dict.fromkeys(name for name in found if not well_formed.fullmatch(name)),
    )


def _is_rfc3339(text: str) -> bool:
    try:
        parse_rfc_3339(text)
    except (ValueError, OverflowError):
        return False
    return True


_Finder = Callable[[Any], Sequence[str]]
"""Gives the places below a value of what is optional and falsy."""


def _openedx_finder(schema: Any) -> _Finder | None:
    """Return what finds falsy optional fields in the data of a schema, if it is Open edX's."""
    is_openedx = isinstance(schema, dict) and str(schema.get("namespace", "")).startswith(_OPENEDX)
    return _finder(schema, {}) if is_openedx else None


def _finder(schema: Any, known: dict[str, _Finder]) -> _Finder | None:
    if isinstance(schema, list):
        others = [branch for branch in schema if branch != "null"]
        return _finder(others[0], known) if len(others) == 1 else None
    if isinstance(schema, str):
        return known.get(schema)
    if schema.get("type") == "array":
        items = _finder(schema["items"], known)
        return None if items is None else _array_finder(items)
    if schema.get("type") != "record":
        return None
    # The fields are added behind, for they may be of the same type.
    parts: list[tuple[str, bool, _Finder | None]] = []
    known[schema["name"]] = found = _record_finder(parts)
    for field in schema["fields"]:
        optional = isinstance(field["type"], list) and "null" in field["type"]
        inner = _finder(field["type"], known)
        if optional or inner is not None:
            parts.append((field["name"], optional, inner))
    if not parts:
        del known[schema["name"]]
    return found if parts else None


def _array_finder(items: _Finder) -> _Finder:
    def find(value: Any) -> Sequence[str]:
        if not isinstance(value, list):
            return ()
        return [f"[{at}]{below}" for at, item in enumerate(value) for below in items(item)]

    return find


def _record_finder(parts: Sequence[tuple[str, bool, _Finder | None]]) -> _Finder:
    def find(value: Any) -> Sequence[str]:
        found: list[str] = []
        for name, optional, inner in parts if isinstance(value, dict) else ():
            item = value.get(name)
            if optional and not item and item is not None:
                found.append(f".{name}")
            elif inner is not None and item is not None:
                found += [f".{name}{below}" for below in inner(item)]
        return found

    return find
