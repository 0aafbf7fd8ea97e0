"""Say what services produce and accept, and who breaks whom.

A service's tests run with  fakebus_service = NAME  in pytest's ini file, or --fakebus-service NAME.
What they were seen to produce and to accept becomes a small JSON document, which is kept beside the
shared set or published by the build; contract check compares the documents of all services.

Examples:
  fakebus contract report                      write contracts/NAME.json
  fakebus contract report -o ../shared/contracts/billing.json
  fakebus contract check contracts             exit code 1 if somebody breaks somebody
  fakebus contract check shop.json billing.json --format json
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import JSON, add_format_argument, print_json, print_lines
from fakebus.errors import FakebusError
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.fixture_files.contracts.reports import Observations

_CONTRACTS = Path("contracts")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus contract``."""
    from fakebus.fixture_files.contracts.reports import OBSERVED

    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    report = actions.add_parser(
        "report",
        help="write what a service was seen to produce and accept",
        description="Write what the tests of a service were seen to produce and accept.",
    )
    report.add_argument(
        "observed",
        nargs="?",
        type=path_argument,
        default=OBSERVED,
        metavar="DIR",
        help=f"where pytest has kept it (default: {OBSERVED})",
    )
    report.add_argument(
        "-o",
        "--output",
        type=path_argument,
        metavar="FILE",
        help=f"where to write it (default: {_CONTRACTS}/SERVICE.json)",
    )
    report.set_defaults(action=_report)
    check = actions.add_parser(
        "check",
        help="compare the reports of services",
        description="Compare what services produce with what others accept. Exit code 1 if "
        "anybody breaks anybody.",
    )
    check.add_argument(
        "reports",
        nargs="*",
        type=path_argument,
        default=[_CONTRACTS],
        metavar="FILE|DIR",
        help=f"reports, or directories of them (default: {_CONTRACTS})",
    )
    add_format_argument(check, "json: a list of objects, one for each finding")
    check.set_defaults(action=_check)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the chosen action."""
    code: int = arguments.action(arguments)
    return code


def _report(arguments: argparse.Namespace) -> int:
    from fakebus.fixture_files.contracts.reports import merge_reports, read_report, write_report

    observed: Path = arguments.observed
    files = sorted(observed.glob("*.json"))
    if not files:
        raise FakebusError(
            f"there are no observations in {observed}: run the tests with  fakebus_service = NAME  "
            "in pytest's ini file, or with --fakebus-service NAME"
        )
    reports = merge_reports(map(read_report, files))
    if len(reports) > 1:
        raise FakebusError(
            f"{observed} holds observations of several services: {', '.join(reports)}; "
            "delete it and run the tests of one"
        )
    ((service, report),) = reports.items()
    path: Path = arguments.output or _CONTRACTS / f"{_file_name(service)}.json"
    try:
        write_report(report, path, keep_others=True)
    except OSError as error:
        raise FakebusError(f"{path} cannot be written: {error.strerror}") from None
    produced, accepted = _count(report.produces), _count(report.accepts)
    print_lines(
        f"{path}: {service} produces {counted(produced, 'event type')} and accepts {accepted}"
    )
    return 0


def _file_name(service: str) -> str:
    kept = "".join(each if each.isalnum() or each in "-_." else "-" for each in service)
    return kept.lstrip(".") or "service"


def _count(observations: Observations) -> int:
    return sum(map(len, observations.values()))


def _check(arguments: argparse.Namespace) -> int:
    from fakebus.fixture_files.contracts.checking import contract_findings
    from fakebus.fixture_files.contracts.reports import merge_reports, read_report

    files: list[Path] = []
    for path in arguments.reports:
        found = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not found:
            raise FakebusError(
                f"there are no reports in {path}: write them with  fakebus contract report"
            )
        files += found
    reports = merge_reports(map(read_report, files))
    findings = list(contract_findings(reports))
    broken = [each for each in findings if each.severity == "breaks"]
    if arguments.format == JSON:
        print_json([asdict(each) for each in findings])
    else:
        print_lines(*map(str, findings))
        services = f"{', '.join(reports)}: "
        words = counted(len(broken), "break") if broken else "nobody breaks anybody"
        print_lines(services + words)
    return 1 if broken else 0
