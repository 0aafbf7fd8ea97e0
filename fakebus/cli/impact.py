"""Say whom a change of a subject would break, before it is made.

It looks at the compatibility level, the schemas that services are declared to read with, the groups
that have read the subject's topics in the last days, the events of fixture sets, and other subjects
that carry the same type. A running fakebus is asked; or name fixture sets, a registry, a cluster.
The exit code is 1 if anything breaks.

Examples:
  fakebus impact orders-value --schema order-v2.avsc
  fakebus impact orders-value --remove-field address.street
  fakebus impact orders-value --remove --fixtures fixtures --json
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fakebus.cli.command_settings import path_argument
from fakebus.cli.landscapes import add_landscape_arguments, asks_a_bus, landscape_of
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    print_json,
    print_lines,
)
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.catalogue.impact import Proposal

_SHOWN = 20
"""Of fixture events, which may be many; all of them are in the JSON."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus impact``."""
    parser.add_argument("subject", metavar="SUBJECT", help="the subject that changes")
    change = parser.add_mutually_exclusive_group(required=True)
    change.add_argument("--schema", type=path_argument, metavar="FILE", help="it gets this schema")
    change.add_argument(
        "--remove-field", metavar="FIELD", help="it loses a field, such as address.street"
    )
    change.add_argument("--remove", action="store_true", help="it goes")
    add_landscape_arguments(parser)
    add_format_argument(parser, "json: an object with subject, compatible, level and breaks")


def run(arguments: argparse.Namespace) -> int:
    """Print what breaks; 1 if anything does."""
    proposal = _proposal(arguments)
    if asks_a_bus(arguments):
        found = _asked(arguments, proposal)
    else:
        from fakebus.catalogue.impact import impact_of

        landscape = landscape_of(arguments, "fakebus impact")
        found = impact_of(landscape, arguments.subject, proposal).as_json()
    if arguments.format == JSON:
        print_json(found)
    else:
        _print(found)
    return 1 if found["breaks"] else 0


def _proposal(arguments: argparse.Namespace) -> Proposal:
    from fakebus.catalogue.impact import Proposal
    from fakebus.fixture_files.drift.schema_files import read_schema_file

    if arguments.schema is None:
        return Proposal(field=arguments.remove_field)
    text, kind = read_schema_file(arguments.schema)
    return Proposal(schema=text, schema_type=kind, file=str(arguments.schema))


def _asked(arguments: argparse.Namespace, proposal: Proposal) -> dict[str, Any]:
    from fakebus.client.bus_http import BusHttp

    body = {
        "subject": arguments.subject,
        "schema": proposal.schema,
        "schemaType": proposal.schema_type,
        "file": proposal.file,
        "removeField": proposal.field,
        "remove": arguments.remove,
    }
    found: dict[str, Any] = BusHttp(arguments.http_url).request("POST", "/impact", body)
    return found


def _print(found: dict[str, Any]) -> None:
    level = f"{'compatible' if found['compatible'] else 'not compatible'} under {found['level']}"
    print_lines(f"{found['subject']}: {level}")
    for change in found["changes"]:
        print_lines(f"  {change}")
    for title, parties in (("breaks", found["breaks"]), ("goes on with", found["concerned"])):
        events = 0
        for one in parties:
            events += one["kind"] == "fixture"
            if one["kind"] != "fixture" or events <= _SHOWN:
                print_lines(f"{title} {one['kind']} {one['who']}: {one['why']} ({one['where']})")
        if events > _SHOWN:
            print_lines(f"and {events - _SHOWN} more events of fixtures")
    for place in found["tests"]:
        print_lines(f"tests load these events: {place}")
    if not found["breaks"]:
        print_lines("breaks nobody that is known")
    else:
        print_lines(counted(len(found["breaks"]), "break"))
