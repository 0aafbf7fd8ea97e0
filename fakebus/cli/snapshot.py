"""Take snapshots of a whole fakebus, go back to them, and see what has changed since.

A snapshot holds topics, records, offsets of groups, configs, schemas, groups of Redis and what was
seeded. It costs a few numbers for each partition, and clients may stay connected: when the bus goes
back, members of groups join again. Snapshots outlive the bus if it has a data file.

Examples:
  fakebus snapshot save before
  fakebus snapshot list
  fakebus snapshot restore before
  fakebus snapshot diff before
  fakebus snapshot diff before after --json
  fakebus snapshot diff before --export fixtures/emitted
  fakebus snapshot delete before
"""

from __future__ import annotations

import argparse
import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fakebus.cli.bootstrap import add_common_arguments, bus_of
from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import (
    JSON,
    print_json,
    print_lines,
    print_table,
)
from fakebus.client.bus_http import BusHttp
from fakebus.escaping import printable
from fakebus.wording import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus snapshot``; without one the snapshots are listed."""
    parser.set_defaults(act=_list)
    common = [add_common_arguments(parser)]
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, (act, help_text) in _ACTIONS.items():
        action = actions.add_parser(name, help=help_text, description=help_text, parents=common)
        if act is not _list:
            action.add_argument("name", metavar="NAME", help="the snapshot")
        if act is _diff:
            _configure_diff(action)
        action.set_defaults(act=act)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    code: int = arguments.act(arguments)
    return code


def _path(name: str) -> str:
    return f"/snapshots/{quote(name, safe='')}"


def _ask(arguments: argparse.Namespace, method: str, path: str) -> Any:
    return bus_of(arguments, "fakebus snapshot").request(method, path)


def _tell(arguments: argparse.Namespace, saved: Mapping[str, Any], what: str) -> int:
    if arguments.format == JSON:
        print_json(saved)
    else:
        topics, records = counted(saved["topics"], "topic"), counted(saved["records"], "record")
        print_lines(f"{what} {saved['name']}: {topics}, {records}")
    return 0


def _save(arguments: argparse.Namespace) -> int:
    return _tell(arguments, _ask(arguments, "PUT", _path(arguments.name)), "saved")


def _restore(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, "POST", f"{_path(arguments.name)}/restore")
    return _tell(arguments, answer, "restored")


def _delete(arguments: argparse.Namespace) -> int:
    _ask(arguments, "DELETE", _path(arguments.name))
    if arguments.format == JSON:
        print_json({"deleted": arguments.name})
    else:
        print_lines(f"deleted {arguments.name}")
    return 0


def _configure_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "after", nargs="?", metavar="NAME", help="the newer snapshot (default: how it is now)"
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="records of each partition that are shown at most (default: 20); all are counted",
    )
    parser.add_argument(
        "--export",
        type=path_argument,
        metavar="DIR",
        help="write the records that have come as a fixture set, as fakebus fixtures record does",
    )


def _diff(arguments: argparse.Namespace) -> int:
    bus, path = bus_of(arguments, "fakebus snapshot"), _path(arguments.name)
    found = bus.get(f"{path}/diff", to=arguments.after, limit=arguments.limit)
    if arguments.export is not None:
        _export(bus, bus.get(f"{path}/emitted", to=arguments.after), arguments.export)
    if arguments.format == JSON:
        print_json(found)
    else:
        print_lines(*map(printable, _differences(found)))
        if arguments.export is not None:
            print_lines(f"written to {arguments.export}")
    return 0


def _differences(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is different as lines: + for what has come, - for what has gone."""
    if found["same"]:
        yield f"nothing has changed since {found['from']}"
    yield from (f"+ topic {name}" for name in found["topics_created"])
    yield from (f"- topic {name}" for name in found["topics_deleted"])
    if not found["complete"]:
        yield "not all records have been compared: that would have taken too long"
    for each in found["records"]:
        where = f"{each['topic']}[{each['partition']}]"
        for sign, side in (("+", "added"), ("-", "removed")):
            if count := each[side]:
                yield f"{sign} {where}: {counted(count, 'record')}"
                lines = each[f"{side}_lines"]
                yield from (f"  {sign} {line}" for line in lines)
                if count > len(lines):
                    yield f"    and {counted(count - len(lines), 'more record')}"
    for each in found["offsets"]:
        where = f"group {each['group']} at {each['topic']}[{each['partition']}]"
        yield f"~ {where}: {_told(each['before'])} -> {_told(each['after'])}"
    for each in found["configs"]:
        where = f"{each['kind']} {each['name']} {each['config']}".replace("  ", " ")
        yield f"~ {where}: {_told(each['before'])} -> {_told(each['after'])}"
    for each in found["subjects"]:
        sign = "+" if each["change"] == "added" else "-"
        yield f"{sign} schema {each['subject']} version {each['version']}"


def _told(value: object) -> str:
    return "not set" if value is None else str(value)


def _export(bus: BusHttp, topics: Sequence[Mapping[str, Any]], directory: Path) -> None:
    # YAML and the formats come with these; the other actions start without them.
    from fakebus.client.registry import RegistryClient
    from fakebus.fixture_files.recording.reading import SourceRecord, SourceTopic
    from fakebus.fixture_files.recording.recorder import Recorder, earlier_recording, write_files
    from fakebus.fixture_files.recording.redaction import Redaction

    earlier = earlier_recording(directory)
    recorder = Recorder(RegistryClient(bus.url).schema, Redaction([]), earlier=earlier)
    read = [
        SourceTopic(
            name=topic["name"],
            partitions=topic["partitions"],
            config=topic["config"],
            records=[
                SourceRecord(
                    each["partition"],
                    each["offset"],
                    each["timestamp_ms"],
                    _bytes(each["key"]),
                    _bytes(each["value"]),
                    [(name, _bytes(text)) for name, text in each["headers"]],
                )
                for each in topic["records"]
            ],
        )
        for topic in topics
    ]
    write_files(directory, recorder.files(read))
    print_lines(*recorder.listing.lines(), *recorder.notes, error=True)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _list(arguments: argparse.Namespace) -> int:
    found = _ask(arguments, "GET", "/snapshots")
    if arguments.format == JSON:
        print_json(found)
    elif found:
        from fakebus.cluster.event_lines import local_time

        rows = [
            (
                each["name"],
                local_time(each["taken_at_ms"]),
                each["topics"],
                each["records"],
                each["size_bytes"],
            )
            for each in found
        ]
        print_table(("name", "taken", "topics", "records", "bytes"), rows)
    else:
        print_lines("no snapshots; take one with  fakebus snapshot save NAME")
    return 0


_ACTIONS = {
    "save": (_save, "keep how everything is now under a name"),
    "restore": (_restore, "make everything as it was at a snapshot"),
    "diff": (_diff, "tell what is different in a later snapshot, or now"),
    "list": (_list, "list the snapshots, the newest first"),
    "delete": (_delete, "forget a snapshot"),
}
