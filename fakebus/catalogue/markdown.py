"""The catalogue as Markdown, and as the folders that EventCatalog shows.

Source: https://www.eventcatalog.dev/docs/development/guides, for the front matter of services,
events and channels. What others have written is escaped, so that no name and no description
becomes markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import yaml

from fakebus.catalogue.event_types import Catalogue, EventType, Party
from fakebus.escaping import printable
from fakebus.nesting import laid_out, laid_out_text
from fakebus.schemas.languages import LANGUAGES
from fakebus.wording import counted

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>~&$-])")
_VERSION = "1.0.0"
HEAD = (
    "# Events",
    "",
    "| event | topics | owner | written by | read by |",
    "|---|---|---|---|---|",
)
"""What a page begins with."""
_NOBODY = "nobody is known"


def markdown(catalogue: Catalogue) -> str:
    """Return one page with all event types."""
    lines = [*HEAD]
    for each in catalogue.event_types:
        cells = (
            _text(each.name),
            ", ".join(map(_text, each.topics)),
            _text(each.owner or "-"),
            _services(each.producers, _text),
            _services(each.consumers, _text),
        )
        lines.append(f"| {' | '.join(cells)} |")
    for each in catalogue.event_types:
        lines += ["", f"## {_text(each.name)}", "", *_section(each, _text)]
    return "\n".join([*lines, ""])


def plain_text(event: EventType) -> str:
    """Return one event type for a terminal, where nothing is markup."""
    return "\n".join([event.name, "", *_section(event, printable)])


def _section(event: EventType, shown: Callable[[str], str]) -> Iterator[str]:
    if event.description:
        yield from (shown(event.description), "")
    facts = {
        "topics": ", ".join(map(shown, event.topics)),
        "subject": shown(event.subject or ""),
        "owner": shown(event.owner or "nobody")
        + (", and nobody else may write it" if event.only_owner else ""),
        "written by": _services(event.producers, shown),
        "read by": _services(event.consumers, shown),
        "keys": shown(event.key),
        "compatibility": event.level or "",
        "configs": ", ".join(
            f"{shown(name)} = {shown(text)}" for name, text in event.config.items()
        ),
        "declared in": shown(event.place),
        "code": ", ".join(f"<{link}>" for link in event.links),
    }
    yield from (f"- {name}: {text}" for name, text in facts.items() if text)
    if event.schema is not None:
        kind = event.schema["type"]
        yield from ("", f"Schema, version {event.schema['version']}:", "")
        yield from _fenced(LANGUAGES[kind].written_in, laid_out_text(event.schema["text"]))
    if len(event.history) > 1:
        yield from ("", "Versions:", "")
        for each in event.history:
            words = "; ".join(map(shown, each["changes"])) or "the first"
            yield f"- {each['version']}: {words}"
    if event.examples:
        yield from ("", "Examples:", "")
        for each in event.examples:
            yield from _fenced("json", laid_out(each))


def _services(parties: Iterable[Party], shown: Callable[[str], str]) -> str:
    return ", ".join(f"{shown(one.service)}{_how(one)}" for one in parties) or _NOBODY


def _how(party: Party) -> str:
    if party.declared and party.seen:
        return ""
    return " (declared)" if party.declared else " (seen, not declared)"


def _text(text: str) -> str:
    """Return text on one line that Markdown and MDX show as it is."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[1])};", printable(text))


def _fenced(kind: str, text: str) -> Iterator[str]:
    # A fence that is longer than any in the text cannot be closed by it.
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{kind}", *(printable(line) for line in text.splitlines()), fence)


class _Folders:
    """Names of folders: plain, each once."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}

    def of(self, kind: str, name: str) -> str:
        """Return the folder of a thing, which is its id as well."""
        found = self._given.get((kind, name))
        if found is None:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "-", name).strip(".-") or "unnamed"
            found, number = plain[:100], 1
            taken = {each.lower() for (of, _), each in self._given.items() if of == kind}
            while found.lower() in taken:
                number += 1
                found = f"{plain[:100]}-{number}"
            self._given[kind, name] = found
        return found


def eventcatalog_files(catalogue: Catalogue) -> dict[str, str]:
    """Return the files of EventCatalog's folders, by their paths."""
    folders = _Folders()
    files: dict[str, str] = {}
    for service in catalogue.services:
        _add_service(files, service, catalogue, folders)
    owners = {each.owner for each in catalogue.event_types if each.owner}
    for service in sorted({*catalogue.services, *owners}):
        # Owners are teams or people there, who have pages of their own.
        team, summary = folders.of("service", service), f"Who answers for {service}"
        matter = {"id": team, "name": service, "summary": summary}
        files[f"teams/{team}.mdx"] = _page(matter, [f"{_text(summary)}."])
    topics: dict[str, list[EventType]] = {}
    for each in catalogue.event_types:
        _add_event(files, each, folders)
        for topic in each.topics:
            topics.setdefault(topic, []).append(each)
    for topic, events in topics.items():
        channel = folders.of("channel", topic)
        owner = next((each.owner for each in events if each.owner), None)
        files[f"channels/{channel}/index.mdx"] = _page(
            {
                "id": channel,
                "name": topic,
                "version": _VERSION,
                "summary": f"The topic {topic}",
                "address": topic,
                "protocols": ["kafka"],
                **_owned_by(owner, folders),
            },
            [f"{counted(events[0].partitions, 'partition')}.", "", "<ChannelInformation />"],
        )
    return files


def _add_service(
    files: dict[str, str], service: str, catalogue: Catalogue, folders: _Folders
) -> None:
    matter: dict[str, Any] = {
        "id": folders.of("service", service),
        "name": service,
        "version": _VERSION,
        "summary": f"What is known of {service} by its events",
        **_owned_by(service, folders),
    }
    for name, events in {
        "sends": catalogue.written_by(service),
        "receives": catalogue.read_by(service),
    }.items():
        if events:
            matter[name] = [
                {"id": folders.of("event", each.name), "version": _version(each)} for each in events
            ]
    path = f"services/{folders.of('service', service)}/index.mdx"
    files[path] = _page(matter, ["<NodeGraph />"])


def _add_event(files: dict[str, str], event: EventType, folders: _Folders) -> None:
    identity = folders.of("event", event.name)
    home = f"events/{identity}"
    if event.owner is not None:
        home = f"services/{folders.of('service', event.owner)}/{home}"
    matter: dict[str, Any] = {
        "id": identity,
        "name": event.name,
        "version": _version(event),
        "summary": printable(event.description or f"Events of {', '.join(event.topics)}"),
    }
    matter |= _owned_by(event.owner, folders)
    if event.topics:
        matter["channels"] = [
            {"id": folders.of("channel", topic), "version": _VERSION} for topic in event.topics
        ]
    if event.schema is not None:
        kind = event.schema["type"]
        matter["schemaPath"] = f"schema.{LANGUAGES[kind].suffix.rpartition('.')[2]}"
        files[f"{home}/{matter['schemaPath']}"] = laid_out_text(event.schema["text"]) + "\n"
    files[f"{home}/index.mdx"] = _page(matter, ["<NodeGraph />", "", *_section(event, _text)])


def _owned_by(owner: str | None, folders: _Folders) -> dict[str, Any]:
    return {} if owner is None else {"owners": [folders.of("service", owner)]}


def _version(event: EventType) -> str:
    return f"{1 if event.schema is None else event.schema['version']}.0.0"


def _page(matter: dict[str, Any], lines: Iterable[str]) -> str:
    head = yaml.safe_dump(matter, sort_keys=False, allow_unicode=False, width=1000)
    return "\n".join(["---", f"{head}---", "", *lines, ""])
