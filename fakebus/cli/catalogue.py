"""Show every event type: what it means, its schema, who owns, writes and reads it, and examples.

What fixture sets declare and what the cluster has seen stand side by side. A running fakebus is
asked; or name fixture sets, a cluster, a registry.

Examples:
  fakebus catalogue                                  a table
  fakebus catalogue --search "order refund"          the event types in which both words are found
  fakebus catalogue --fixtures fixtures --format markdown -o EVENTS.md
  fakebus catalogue --format asyncapi -o asyncapi.json
  fakebus catalogue --format eventcatalog -o ../our-eventcatalog
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.command_settings import path_argument
from fakebus.cli.landscapes import add_landscape_arguments, asks_a_bus, landscape_of
from fakebus.cli.output import JSON, TEXT, print_json, print_lines, print_table, print_text
from fakebus.errors import ConfigError
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.catalogue.event_types import Catalogue, EventType, Party

_MARKDOWN, _ASYNCAPI, _EVENTCATALOG = "markdown", "asyncapi", "eventcatalog"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus catalogue``."""
    parser.add_argument(
        "--search", default="", metavar="TEXT", help="only event types in which all words are found"
    )
    parser.add_argument(
        "--format",
        choices=(TEXT, JSON, _MARKDOWN, _ASYNCAPI, _EVENTCATALOG),
        help="text for people (default); json: an object with event_types and services; markdown; "
        "asyncapi: an AsyncAPI 3 document; eventcatalog: EventCatalog's folders, for -o",
    )
    parser.add_argument(
        "--json", action="store_const", const=JSON, dest="format", help="short for --format json"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_argument,
        metavar="FILE|DIR",
        help="where to write instead of printing",
    )
    parser.add_argument(
        "--examples",
        action="store_true",
        help="read the newest records of a cluster as examples; a fakebus gives them anyhow",
    )
    parser.add_argument(
        "--smells",
        action="store_true",
        help="tell what may be wrong with the events instead, why, and what to consider",
    )
    add_landscape_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the catalogue."""
    if arguments.smells:
        _print_smells(arguments)
        return 0
    if arguments.format == _EVENTCATALOG and arguments.output is None:
        raise ConfigError("--format eventcatalog makes folders: say where, with -o DIR")
    found = _catalogue(arguments).found(arguments.search)
    if arguments.format == _EVENTCATALOG:
        _write_folders(found, arguments.output)
    elif arguments.output is not None:
        _write(_page(found, arguments.format), arguments.output)
    elif arguments.format == TEXT:
        _print(found, arguments.search)
    elif arguments.format == _MARKDOWN:
        print_text(_page(found, _MARKDOWN))
    else:
        print_json(_document(found, arguments.format))
    return 0


def _catalogue(arguments: argparse.Namespace) -> Catalogue:
    from fakebus.catalogue.event_types import catalogue_from_json, catalogue_of

    if asks_a_bus(arguments):
        from fakebus.client.bus_http import BusHttp

        return catalogue_from_json(BusHttp(arguments.http_url).get("/catalogue"))
    return catalogue_of(
        landscape_of(arguments, "fakebus catalogue", details=True, examples=arguments.examples)
    )


def _print_smells(arguments: argparse.Namespace) -> None:
    if arguments.format not in (TEXT, JSON) or arguments.output is not None or arguments.search:
        raise ConfigError("--smells stands alone, or with --json")
    if asks_a_bus(arguments):
        from fakebus.client.bus_http import BusHttp

        found = BusHttp(arguments.http_url).get("/smells")
    else:
        from fakebus.catalogue.smells import smells_of

        landscape = landscape_of(
            arguments, "fakebus catalogue", details=True, examples=arguments.examples
        )
        found = [each.as_json() for each in smells_of(landscape)]
    if arguments.format == JSON:
        print_json(found)
        return
    for _, group in groupby(found, lambda each: each["smell"]):
        for each in group:
            where = f"{each['where']}: " if each["where"] else ""
            print_lines(f"{where}{each['about']}: {each['smell'].replace('_', ' ')}")
            print_lines(*(f"  seen by    {text}" for text in (*each["evidence"], *each["records"])))
        # The same for all of them.
        print_lines(f"  matters    {each['why']}", f"  consider   {each['consider']}")
    print_lines(counted(len(found), "smell"))


def _document(found: Catalogue, form: str) -> object:
    from fakebus.catalogue.asyncapi import asyncapi_document

    return asyncapi_document(found) if form == _ASYNCAPI else found.as_json()


def _page(found: Catalogue, form: str) -> str:
    import json

    from fakebus.catalogue.markdown import markdown
    from fakebus.escaping import printable_json

    if form in (JSON, _ASYNCAPI):
        text = json.dumps(_document(found, form), indent=2, ensure_ascii=False)
        return f"{printable_json(text)}\n"
    return markdown(found)


def _write(text: str, path: Path) -> None:
    from fakebus.output_files import write_output

    write_output(path, text.encode(), is_ours=_is_ours, made_by=_MADE_BY)
    print_lines(f"{path}: written")


def _is_ours(content: bytes) -> bool:
    import json

    from fakebus.catalogue.asyncapi import WRITTEN_BY
    from fakebus.catalogue.markdown import HEAD

    if content.startswith("\n".join(HEAD).encode()):
        return True
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict):
        return False
    information = document.get("info")
    return document.keys() >= {"event_types", "services"} or (
        isinstance(information, dict) and information.get("description") == WRITTEN_BY
    )


_MADE_BY = "fakebus catalogue"
_LIST = ".written-by-fakebus-catalogue"


def _write_folders(found: Catalogue, root: Path) -> None:
    from fakebus.catalogue.markdown import eventcatalog_files
    from fakebus.fixture_files.recording.written_sets import WrittenSet

    # What an earlier export wrote may be replaced; what people wrote beside it may not.
    written = WrittenSet(root, _MADE_BY, _LIST)
    written.write({**eventcatalog_files(found), _LIST: f"{written.mark}\n"})
    events = counted(len(found.event_types), "event")
    print_lines(f"{root}: {events} and {counted(len(found.services), 'service')} written")


def _print(found: Catalogue, searched: str | None) -> None:
    if len(found.event_types) == 1:
        from fakebus.catalogue.markdown import plain_text

        print_text(plain_text(found.event_types[0]))
        return
    if not found.event_types:
        print_lines(f"there are no {'such ' if searched else ''}event types")
        return
    print_table(
        ("event", "topics", "owner", "written by", "read by"), list(map(_row, found.event_types))
    )


def _row(event: EventType) -> tuple[str, ...]:
    return (
        event.name,
        ", ".join(event.topics),
        event.owner or "-",
        _services(event.producers),
        _services(event.consumers),
    )


def _services(parties: list[Party]) -> str:
    return ", ".join(one.service for one in parties) or "-"
