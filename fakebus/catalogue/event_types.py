"""Event types of a landscape: what the catalogue has of each, as plain data."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice, product
from typing import Any

from fakebus.catalogue.subjects import Landscape, LiveConsumer, Subject, TopicFacts, Version
from fakebus.errors import FakebusError
from fakebus.fixture_files.drift.changes import changes
from fakebus.fixture_files.parties import TopicParties
from fakebus.fixture_files.plain_data import built
from fakebus.nesting import is_deeper
from fakebus.schemas.interface import SchemaDataError, SchemaError

_EXAMPLES = 3
_MOST_ALIKE = 2
_PROTOBUF_COMMENT = re.compile(r"((?:^[ \t]*//[^\n]*\n)+)[ \t]*message ", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class Party:
    """Service that writes or reads an event type."""

    service: str
    declared: bool = False
    """Whether a fixture set says so."""
    seen: bool = False
    """Whether it was seen to do so on the cluster."""
    groups: list[str] = field(default_factory=list)
    """The consumer groups that it was seen to read by."""
    reads_with: str | None = None
    """The file of the schema that it is declared to read with."""


@dataclass(slots=True, kw_only=True)
class EventType:
    """Event type with what is known of it."""

    name: str
    topics: list[str]
    subject: str | None
    """``None`` for a topic whose values have no schema in a registry."""
    description: str
    owner: str | None
    only_owner: bool
    """Whether the topics refuse other producers."""
    producers: list[Party]
    consumers: list[Party]
    key: str
    """The format or the subject of the keys, as far as it is declared."""
    schema: dict[str, Any] | None
    """``type``, ``text``, ``version`` and ``id`` of the newest version, and its ``references``."""
    level: str | None
    history: list[dict[str, Any]]
    """The versions, oldest first: ``version``, ``id`` and ``changes`` in words."""
    examples: list[Any]
    config: dict[str, str]
    """The topics' own configs."""
    partitions: int
    records: int
    links: list[str]
    place: str
    """File and line of the declaration."""

    @property
    def text(self) -> str:
        """Everything that a search looks through."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str).casefold()


@dataclass(slots=True, kw_only=True)
class Catalogue:
    """Event types by name."""

    event_types: list[EventType]

    @property
    def services(self) -> list[str]:
        """All services that write or read anything."""
        return sorted(
            {one.service for each in self.event_types for one in (*each.producers, *each.consumers)}
        )

    def written_by(self, service: str) -> list[EventType]:
        """Return the event types that a service writes."""
        return [
            each
            for each in self.event_types
            if any(one.service == service for one in each.producers)
        ]

    def read_by(self, service: str) -> list[EventType]:
        """Return the event types that a service reads."""
        return [
            each
            for each in self.event_types
            if any(one.service == service for one in each.consumers)
        ]

    def live_consumers(self) -> Iterator[LiveConsumer]:
        """Yield the groups that were seen to read, once for each topic."""
        for each in self.event_types:
            for one in each.consumers:
                for group, topic in product(one.groups, each.topics):
                    yield LiveConsumer(
                        group=group, topic=topic, where=topic, services=(one.service,)
                    )

    def found(self, search: str) -> Catalogue:
        """Return the event types in which all words of a text are found, whatever their case."""
        words = search.casefold().split()
        return Catalogue(
            event_types=[
                each for each in self.event_types if all(word in each.text for word in words)
            ]
        )

    def as_json(self) -> dict[str, Any]:
        """Return the catalogue as commands and HTTP give it."""
        told: dict[str, Any] = asdict(self)
        services: dict[str, dict[str, Any]] = {}
        for each in self.event_types:
            for what, parties in (("writes", each.producers), ("reads", each.consumers)):
                for name in dict.fromkeys(one.service for one in parties):
                    service = services.setdefault(name, {"name": name, "writes": [], "reads": []})
                    service[what].append(each.name)
        told["services"] = [services[name] for name in sorted(services)]
        return told


def catalogue_from_json(told: Mapping[str, Any]) -> Catalogue:
    """Return the catalogue that :meth:`Catalogue.as_json` gave.

    Raises:
        FakebusError: it is none.
    """
    try:
        return Catalogue(event_types=built(list[EventType], told["event_types"]))
    except (LookupError, TypeError, ValueError) as error:
        raise FakebusError(f"the answer is no catalogue: {error}") from None


def catalogue_of(landscape: Landscape) -> Catalogue:
    """Return the event types of a landscape by their names."""
    keys = {facts.parties.formats[0] for facts in landscape.topics.values()}
    values = [
        one
        for one in landscape.subjects.values()
        if one.name not in keys and not one.name.endswith("-key")
    ]
    referred = {of for one in landscape.subjects.values() for _, of, _ in one.latest.references}
    # Of names that several schemas have, such as CloudEvent, none says which event it is.
    names = Counter(one.latest.parsed.name for one in values)
    found = [
        _of_subject(landscape, one, names)
        for one in values
        if one.topics or one.name not in referred
    ]
    written = {topic for one in values for topic in one.topics}
    found += [
        _of_topic(landscape, facts)
        for facts in landscape.topics.values()
        if facts.name not in written
    ]
    # What many schemas say word for word, such as which program has made them, says nothing of one.
    said = Counter(each.description for each in found)
    for each in found:
        if said[each.description] > _MOST_ALIKE:
            each.description = ""
    return Catalogue(event_types=sorted(found, key=lambda each: each.name))


def _of_subject(landscape: Landscape, subject: Subject, names: Counter[str | None]) -> EventType:
    topics = [landscape.topics[name] for name in subject.topics if name in landscape.topics]
    latest = subject.latest
    record = latest.parsed.name
    is_own = record is not None and names[record] == 1
    lone = [one.parties.description for one in topics if len(one.parties.subjects) <= 1]
    uses = islice(landscape.uses.get(subject.name, ()), _EXAMPLES)
    examples = list(_readable(use.data for use in uses))
    if not examples:
        examples = [each for one in topics for each in one.examples if isinstance(each, dict)]
    return EventType(
        # What Open edX calls every record says nothing.
        name=str(record).removesuffix(".CloudEvent") if is_own else _short_name(subject),
        topics=list(subject.topics),
        subject=subject.name,
        description=next(filter(None, lone), "") or _description(latest),
        examples=_shown(examples),
        schema={
            "type": latest.schema_type,
            "text": latest.text,
            "version": latest.number,
            "id": latest.schema_id,
            "references": [list(one) for one in latest.references],
        },
        level=subject.level,
        history=list(_history(subject.versions)),
        place=subject.place,
        **_shared(landscape, topics, subject),
    )


def _of_topic(landscape: Landscape, facts: TopicFacts) -> EventType:
    return EventType(
        name=facts.name,
        topics=[facts.name],
        subject=None,
        description=facts.parties.description,
        examples=_shown(facts.examples),
        schema=None,
        level=None,
        history=[],
        place=facts.parties.place,
        **_shared(landscape, [facts], None),
    )


def _shared(
    landscape: Landscape, topics: Sequence[TopicFacts], subject: Subject | None
) -> dict[str, Any]:
    owners = [one.parties.owner for one in topics if one.parties.owner]
    owner = owners[0] if owners else next(iter(() if subject is None else subject.producers), None)
    producers: dict[str, Party] = {}
    consumers: dict[str, Party] = {}
    declared = [*((owner,) if owner else ()), *(() if subject is None else subject.producers)]
    for one in topics:
        declared += _writers(one.parties)
    for name in declared:
        producers.setdefault(name, Party(service=name, declared=True))
    for one in topics:
        for name in one.seen_producers:
            producers.setdefault(name, Party(service=name)).seen = True
    read = [*(() if subject is None else subject.consumers)]
    for one in topics:
        read += one.parties.consumers
    for name in read:
        consumers.setdefault(name, Party(service=name, declared=True))
    for reader in () if subject is None else subject.readers:
        consumers[reader.service].reads_with = reader.display_file
    for live in (each for one in topics for each in landscape.live_of(one.name)):
        service = live.as_service(consumers)
        party = consumers.setdefault(service, Party(service=service))
        party.seen = True
        party.groups.append(live.group)
    return {
        "owner": owner,
        "only_owner": any(one.config.get("fakebus.producers") for one in topics),
        "producers": list(producers.values()),
        "consumers": list(consumers.values()),
        "key": next((one.parties.formats[0] for one in topics), ""),
        "config": {name: value for one in topics for name, value in one.config.items()},
        "partitions": max((one.partitions for one in topics), default=0),
        "records": sum(one.records for one in topics),
        "links": list(dict.fromkeys(link for one in topics for link in one.links)),
    }


def _writers(parties: TopicParties) -> list[str]:
    return [*((parties.owner,) if parties.owner else ()), *parties.producers]


def _short_name(subject: Subject) -> str:
    name = subject.name
    for topic in subject.topics:
        if name in (f"{topic}-value", f"{topic}-key"):
            return topic
        name = name.removeprefix(f"{topic}-")
    return name.removesuffix(".CloudEvent")


def _description(version: Version) -> str:
    """Return what a schema says of itself."""
    if version.schema_type == "PROTOBUF":
        found = _PROTOBUF_COMMENT.search(version.text)
        lines = found[1].splitlines() if found else ()
        return " ".join(line.strip().lstrip("/").strip() for line in lines)
    try:
        contents = json.loads(version.text)
    except ValueError:
        return ""
    said = contents if isinstance(contents, dict) else {}
    text = said.get("doc") or said.get("description")
    return " ".join(text.split()) if isinstance(text, str) else ""


def _history(versions: Sequence[Version]) -> Iterator[dict[str, Any]]:
    before: Version | None = None
    for version in versions:
        words: list[str] = []
        if before is not None:
            try:
                words = changes(before.parsed, version.parsed)
            except SchemaError as error:
                words = [str(error)]
        yield {"version": version.number, "id": version.schema_id, "changes": words}
        before = version


def _readable(uses: Iterable[Any]) -> Iterator[Any]:
    for read in uses:
        try:
            yield read()
        except SchemaDataError:
            continue


def _shown(examples: Iterable[Any]) -> list[Any]:
    """Return what tells people something."""
    return list(islice((each for each in examples if not is_deeper(each)), _EXAMPLES))
