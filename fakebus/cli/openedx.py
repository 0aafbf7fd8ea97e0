"""Work with Open edX's event bus.

fakebus openedx export writes a fixture set from the openedx-events that is installed beside
fakebus: every schema, a catalogue, and sample events that fit together. Run it in a service's
own environment to get what that service really sends.

Examples:
  fakebus openedx export fixtures
  fakebus openedx export --prefix stage /tmp/stage-events
"""

from __future__ import annotations

import argparse

from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import print_lines
from fakebus.config import DEFAULT_FIXTURES
from fakebus.wording import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus openedx``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    export = actions.add_parser(
        "export",
        help="write schemas, catalogue and sample events",
        description="Write schemas, catalogue and sample events of every event that the "
        "installed openedx-events can put on the bus.",
    )
    export.add_argument(
        "directory",
        nargs="?",
        type=path_argument,
        default=DEFAULT_FIXTURES,
        metavar="DIR",
        help="where to (default: ./fixtures); a set that export wrote before is replaced",
    )
    export.add_argument(
        "--prefix",
        default="dev",
        metavar="TEXT",
        help="EVENT_BUS_TOPIC_PREFIX of the services (default: dev)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the set."""
    # Django comes with it.
    from fakebus.openedx.export import export

    report = export(arguments.directory, prefix=arguments.prefix)
    print_lines(
        f"{arguments.directory}: {counted(report.event_types, 'event type')} of openedx-events "
        f"{report.version} in {counted(report.topics, 'topic')}, "
        f"{counted(report.events, 'sample event')}"
    )
    for event_type in report.without_samples:
        print_lines(f"no sample events for {event_type}: it is newer than this fakebus")
    return 0
