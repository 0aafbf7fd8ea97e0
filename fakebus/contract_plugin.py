"""The pytest plugin for contracts: tests run over shared events, and what a service does is kept.

    @pytest.mark.fakebus(consumes="orders")
    def test_billing_takes_every_order(fakebus, shared_event):
        bill(shared_event.data)

runs once for each event that a consumer of the topic has to take. The event is on the topic, alone,
when the test begins, and ``shared_event`` is that record.

Options, in the ini file and on the command line:
    fakebus_service, --fakebus-service: the name of the service whose tests these are. With it, what
        passing tests produced and accepted is kept for ``fakebus contract report``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from fakebus.errors import FakebusError

if TYPE_CHECKING:
    from fakebus.cluster.events import Event
    from fakebus.fixture_files.contracts.cases import SharedCase
    from fakebus.fixture_files.contracts.reports import ServiceReport
    from fakebus.testing.handle import TestBus

_REPORT: pytest.StashKey[ServiceReport] = pytest.StashKey()
_FIXTURE = "shared_event"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addini("fakebus_service", "the service whose tests these are", default="")
    parser.getgroup("fakebus").addoption(
        "--fakebus-service", metavar="NAME", help="the service whose tests these are, for contracts"
    )


def _service(config: pytest.Config) -> str:
    if config.getoption("fakebus_service") == "":
        raise pytest.UsageError("--fakebus-service is empty: write one, or leave it out")
    return str(config.getoption("fakebus_service") or config.getini("fakebus_service"))


def pytest_configure(config: pytest.Config) -> None:
    """Begin to observe if there is a service to observe; the last run's observations go."""
    service = _service(config)
    if not service:
        return
    from fakebus.fixture_files.contracts.reports import OBSERVED, ServiceReport, remove_report

    config.stash[_REPORT] = ServiceReport(service=service)
    if not hasattr(config, "workerinput"):
        for earlier in (config.rootpath / OBSERVED).glob("*.json"):
            remove_report(earlier)


def _consumed(markers: Iterable[pytest.Mark]) -> tuple[str, ...]:
    for marker in markers:
        topics = marker.kwargs.get("consumes")
        if isinstance(topics, str):
            return (topics,)
        if isinstance(topics, list | tuple | set | frozenset):
            return tuple(map(str, topics))
        if topics is not None:
            raise pytest.Collector.CollectError(
                f"consumes is the name of a topic or a list of names, not {topics!r}"
            )
    return ()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each shared event of the topics that a test consumes."""
    topics = _consumed(metafunc.definition.iter_markers("fakebus"))
    if not topics:
        return
    cases = [case for topic in topics for case in _cases(metafunc, topic)]
    if _FIXTURE not in metafunc.fixturenames:
        metafunc.fixturenames.append(_FIXTURE)
    metafunc.parametrize(_FIXTURE, cases, indirect=True, ids=map(str, cases))


def _cases(metafunc: pytest.Metafunc, topic: str) -> list[SharedCase]:
    from fakebus.pytest_plugin import fixture_directories
    from fakebus.testing.shared_sets import read_shared_sets

    directories = fixture_directories(metafunc.config, metafunc.definition)
    try:
        sets = read_shared_sets(tuple(directories))
    except FakebusError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    cases = sets.cases(topic)
    if not cases:
        known = ", ".join(sorted(name for name in sets.topics if sets.cases(name))) or "none"
        raise pytest.Collector.CollectError(
            f"{metafunc.definition.nodeid} consumes {topic!r}, of which the fixture sets have no "
            f"events; topics with events: {known}"
        )
    return cases


@pytest.fixture
def shared_event(request: pytest.FixtureRequest, fakebus: TestBus) -> Event:
    """A shared event of the topic that the test consumes, which is the only record on it."""
    if not hasattr(request, "param"):
        raise pytest.UsageError(
            'shared_event is for tests that consume: mark it @pytest.mark.fakebus(consumes="TOPIC")'
        )
    return fakebus.deliver(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what a test that passed has produced and accepted."""
    report = yield
    observed = item.config.stash.get(_REPORT, None)
    handle = getattr(item, "funcargs", {}).get("fakebus")
    if observed is None or handle is None or report.when != "call" or not report.passed:
        return report
    sets = handle.shared_sets()
    observed.sets |= sets.versions
    for topic in sets.topics:
        sets.note_produced(observed.produces, topic, handle.produced(topic))
    callspec = getattr(item, "callspec", None)
    case = None if callspec is None else callspec.params.get(_FIXTURE)
    if case is not None:
        sets.note_accepted(observed.accepts, case)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what was observed; each worker of xdist has a file of its own."""
    observed = session.config.stash.get(_REPORT, None)
    if observed is None or not (observed.produces or observed.accepts):
        return
    from fakebus.fixture_files.contracts.reports import OBSERVED, write_report

    worker = getattr(session.config, "workerinput", {}).get("workerid", "main")
    directory = session.config.rootpath / OBSERVED
    write_report(observed, directory / f"{worker}.json")
    # As pytest does with its cache: nobody has to tell git.
    with suppress(FileExistsError), (directory / ".gitignore").open("x", encoding="ascii") as file:
        file.write("*\n")
