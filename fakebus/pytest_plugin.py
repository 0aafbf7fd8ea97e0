"""The pytest plugin: a ``fakebus`` fixture for synchronous and asynchronous tests.

One bus runs for the whole session (one for each xdist worker), in memory and on free ports.
What a test has written, created, deleted or committed is undone when it ends.

Options, in the ini file and on the command line:
    fakebus_fixtures, --fakebus-fixtures: directories of fixture files to seed from.
    fakebus_set, --fakebus-set: broker configs by Kafka's names, ``key=value``.
    fakebus_partitions, --fakebus-partitions: how many partitions topics get by default.
    fakebus_brokers, --fakebus-brokers: how many brokers the bus seems to have.
    fakebus_isolation, --fakebus-isolation: rollback (default), advance, namespace,
        topics or none.
    fakebus_http: whether HTTP and the schema registry are served.
    --fakebus-bootstrap, --fakebus-registry: run the tests on a Kafka that runs already.

The marker ``fakebus`` says the same for single tests; see docs/how-to/pytest.md.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from inspect import isasyncgenfunction, iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakebus.errors import FakebusError
from fakebus.escaping import printable, printable_lines

if TYPE_CHECKING:
    from fakebus.config import Settings
    from fakebus.testing.embedded_bus import EmbeddedBus
    from fakebus.testing.external_bus import ExternalBus
    from fakebus.testing.handle import Addresses, TestBus

    Bus = EmbeddedBus | ExternalBus
    _BusOf = Callable[[int | None, Mapping[str, str]], Bus]
    """Gives the bus of so many partitions by default, and with such configs."""

_ISOLATIONS = ("rollback", "advance", "namespace", "topics", "none")
_NEEDS = ("faults", "brokers", "clock", "snapshot", "flows", "registry")
_ARGUMENTS = {"fixtures", "partitions", "isolation", "set", "needs", "consumes"}
_MARKER = (
    "fakebus(fixtures=..., partitions=..., isolation=..., set={...}, needs=..., consumes=...): "
    "what this test wants of its bus; needs names what not every Kafka can do: faults, brokers, "
    "clock, snapshot, flows, registry; consumes names topics whose shared events the test runs over"
)
_MOST = 10_000
"""As many partitions as a request may ask a bus for."""
_HANDLE: pytest.StashKey[TestBus] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    parser.addini("fakebus_fixtures", "fixture sets to seed from", type="args")
    parser.addini("fakebus_set", "broker configs, key=value", type="linelist")
    parser.addini("fakebus_brokers", "how many brokers the bus seems to have", default="")
    parser.addini("fakebus_partitions", "how many partitions topics get by default", default="")
    parser.addini("fakebus_isolation", f"one of {', '.join(_ISOLATIONS)}", default="")
    parser.addini("fakebus_http", "serve HTTP and the schema registry", type="bool", default=False)
    group = parser.getgroup("fakebus")
    group.addoption(
        "--fakebus-fixtures",
        action="append",
        default=[],
        metavar="DIRECTORY",
        help="seed from these fixture files, too; may be given several times",
    )
    group.addoption(
        "--fakebus-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a broker config by Kafka's name; may be given several times",
    )
    group.addoption(
        "--fakebus-partitions", type=int, metavar="N", help="partitions that topics get by default"
    )
    group.addoption(
        "--fakebus-brokers", type=int, metavar="N", help="brokers that the bus seems to have"
    )
    group.addoption(
        "--fakebus-isolation", choices=_ISOLATIONS, help="what becomes of a test's doings"
    )
    group.addoption("--fakebus-bootstrap", metavar="HOST:PORT", help="a Kafka that runs already")
    group.addoption("--fakebus-registry", metavar="URL", help="that Kafka's schema registry")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse options that would be without effect."""
    config.addinivalue_line("markers", _MARKER)
    option = config.getoption
    # As by scripts whose variables are not set: the tests would run on a bus that nobody meant.
    for name in ("bootstrap", "registry", "fixtures"):
        given = option(f"fakebus_{name}")
        if given is not None and not all([given] if isinstance(given, str) else given):
            raise pytest.UsageError(f"--fakebus-{name} is empty: write one, or leave it out")
    if option("fakebus_registry") and not option("fakebus_bootstrap"):
        raise pytest.UsageError(
            "--fakebus-registry is for the Kafka of --fakebus-bootstrap: name that, too; a bus of "
            "the tests' own has a registry"
        )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which versions of which fixture sets the tests are run with."""
    fixtures = _session_fixtures(config)
    if not fixtures:
        return []
    from fakebus.fixture_files.loader import set_labels

    labels = ", ".join(set_labels(fixtures))
    return [f"fakebus: tested with {printable(labels)}"] if labels else []


def pytest_sessionstart(session: pytest.Session) -> None:
    """Make sure that the Kafka elsewhere answers: once, and not in every test."""
    config = session.config
    bootstrap = config.getoption("fakebus_bootstrap")
    if not bootstrap or config.option.collectonly or hasattr(config, "workerinput"):
        return
    from fakebus.testing.external_bus import ExternalBus

    try:
        with ExternalBus(bootstrap, config.getoption("fakebus_registry") or ""):
            pass
    except FakebusError as error:
        raise pytest.UsageError(str(error)) from None


def _not_awaited(config: pytest.Config, name: str) -> BaseException:
    """Return the failure of a test or fixture that is asynchronous and that no plugin runs."""
    way = "mark it @pytest.mark.asyncio or set asyncio_mode = auto"
    if not hasattr(config.option, "asyncio_mode"):
        way = f'run  pip install "fakebus[pytest-asyncio]"  and {way}'
    text = f"{name} is asynchronous, and no plugin runs it: {way} (or use anyio's plugin)"
    return pytest.fail.Exception(text, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Name the extra that an asynchronous test needs."""
    try:
        return (yield)
    except (pytest.fail.Exception, pytest.skip.Exception) as failure:
        # By now a plugin has put a function that is not asynchronous in its place, if there is one.
        if _HANDLE in pyfuncitem.stash and "not natively supported" in str(failure):
            raise _not_awaited(pyfuncitem.config, pyfuncitem.name) from None
        raise


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Name the extra that an asynchronous fixture needs."""
    function = fixturedef.func
    is_asynchronous = iscoroutinefunction(function) or isasyncgenfunction(function)
    if is_asynchronous and "fakebus" in fixturedef.argnames:
        raise _not_awaited(request.config, fixturedef.argname)
    return (yield)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """Wishes of one test, from its markers; the nearest one wins."""

    fixtures: tuple[Path, ...]
    partitions: int | None
    isolation: str | None
    set: Mapping[str, str]
    needs: tuple[str, ...]


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Report what a user has to mend by its text alone, without the way that led there."""
    try:
        yield
    except (FakebusError, pytest.UsageError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _texts(noun: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str | Path):
        return (str(value),)
    if not isinstance(value, Iterable):
        raise pytest.UsageError(f"{noun} is a text or a list of texts, not {value!r}")
    return tuple(map(str, value))


def _isolation(value: Any) -> str | None:
    if value is not None and value not in _ISOLATIONS:
        raise pytest.UsageError(f"isolation is one of {', '.join(_ISOLATIONS)}, not {value!r}")
    return value or None


def _count(name: str, value: Any, most: int = _MOST) -> int | None:
    if value is None or value == "":
        return None
    try:
        count = 0 if isinstance(value, bool | float) else int(value)
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= most:
        raise pytest.UsageError(f"{name} is a whole number from 1 to {most}, not {value!r:.80}")
    return count


def _wishes(item: pytest.Item) -> _Wishes:
    arguments: dict[str, Any] = {}
    configs: dict[str, str] = {}
    for marker in reversed(list(item.iter_markers("fakebus"))):
        if marker.args:
            raise pytest.UsageError("@pytest.mark.fakebus takes named arguments only")
        arguments |= marker.kwargs
        wanted = marker.kwargs.get("set", {})
        if not isinstance(wanted, Mapping):
            raise pytest.UsageError(f"set is a dictionary of broker configs, not {wanted!r}")
        configs |= {name: str(text) for name, text in wanted.items()}
    unknown = arguments.keys() - _ARGUMENTS
    if unknown:
        raise pytest.UsageError(f"@pytest.mark.fakebus has no {min(unknown)!r}; it is {_MARKER}")
    from fakebus.fixture_files.set_sources import set_path

    needs = _texts("needs", arguments.get("needs", ()))
    if not set(needs) <= set(_NEEDS):
        raise pytest.UsageError(f"needs names {', '.join(_NEEDS)}, not {', '.join(needs)}")
    fixtures = _texts("fixtures", arguments.get("fixtures", ()))
    return _Wishes(
        fixtures=tuple(set_path(name, item.path.parent) for name in fixtures),
        partitions=_count("partitions", arguments.get("partitions")),
        isolation=_isolation(arguments.get("isolation")),
        set=configs,
        needs=needs,
    )


def _session_fixtures(config: pytest.Config) -> list[Path]:
    from fakebus.fixture_files.set_sources import set_path

    here = config.invocation_params.dir
    ini = here if config.inipath is None else config.inipath.parent
    return [
        *(set_path(name, ini) for name in config.getini("fakebus_fixtures")),
        *(set_path(name, here) for name in config.getoption("fakebus_fixtures")),
    ]


def fixture_directories(config: pytest.Config, item: pytest.Item) -> list[Path]:
    """Return the directories of the fixture files that a test finds.

    Raises:
        pytest.UsageError: its markers are wrong.
    """
    return list(dict.fromkeys([*_session_fixtures(config), *_wishes(item).fixtures]))


@pytest.fixture(scope="session")
def fakebus_settings(pytestconfig: pytest.Config) -> Settings:
    """Settings of the session's bus; override it to change more than the options can."""
    from fakebus.assignments import parse_assignments
    from fakebus.config import MOST_BROKERS
    from fakebus.testing.embedded_bus import bus_settings

    option = pytestconfig.getoption
    partitions, brokers = (
        pytestconfig.getini(name) if option(name) is None else option(name)
        for name in ("fakebus_partitions", "fakebus_brokers")
    )
    with _plain_errors():
        return bus_settings(
            fixtures=_session_fixtures(pytestconfig),
            partitions=_count("partitions", partitions),
            brokers=_count("brokers", brokers, MOST_BROKERS) or 1,
            configs=parse_assignments(
                [*pytestconfig.getini("fakebus_set"), *option("fakebus_set")],
            ),
            http=pytestconfig.getini("fakebus_http"),
        )


@pytest.fixture(scope="session")
def fakebus_buses(fakebus_settings: Settings, pytestconfig: pytest.Config) -> Iterator[_BusOf]:
    """Gives the session's bus, or another one for tests whose markers want other configs."""
    running: dict[Any, Bus] = {}
    bootstrap = pytestconfig.getoption("fakebus_bootstrap")
    with ExitStack() as stack:

        def bus(partitions: int | None, configs: Mapping[str, str]) -> Bus:
            key = (partitions, frozenset(configs.items()))
            if key not in running:
                running[key] = start(partitions, configs)
            return running[key]

        def start(partitions: int | None, configs: Mapping[str, str]) -> Bus:
            if bootstrap:
                from fakebus.testing.external_bus import ExternalBus

                registry = pytestconfig.getoption("fakebus_registry") or ""
                fixtures = fakebus_settings.fixtures
                return stack.enter_context(ExternalBus(bootstrap, registry, fixtures, partitions))
            from dataclasses import replace

            from fakebus.testing.embedded_bus import EmbeddedBus

            wanted = dict(fakebus_settings.set)
            if partitions is not None:
                wanted["num.partitions"] = str(partitions)
            settings = replace(fakebus_settings, set={**wanted, **configs})
            return stack.enter_context(EmbeddedBus(settings))

        yield bus


@pytest.fixture(scope="session")
def fakebus_addresses(fakebus_buses: _BusOf) -> Addresses:
    """Where the session's bus is found, for fixtures that live longer than one test.

    Tests whose markers ask for other partitions or configs have another bus.
    """
    with _plain_errors():
        return fakebus_buses(None, {}).addresses


@pytest.fixture
def fakebus(request: pytest.FixtureRequest, fakebus_buses: _BusOf) -> Iterator[TestBus]:
    """A bus on free ports that is as it was seeded; see :class:`fakebus.testing.TestBus`."""
    from fakebus.testing.isolation import Isolation

    config = request.config
    with ExitStack() as stack:
        with _plain_errors():
            wishes = _wishes(request.node)
            chosen = wishes.isolation or config.getoption("fakebus_isolation")
            chosen = chosen or _isolation(config.getini("fakebus_isolation") or "rollback")
            if config.getoption("fakebus_bootstrap"):
                _check_elsewhere(config, wishes, chosen)
            bus = fakebus_buses(wishes.partitions, wishes.set)
            handle = stack.enter_context(bus.test(Isolation(chosen), wishes.fixtures))
        request.node.stash[_HANDLE] = handle
        yield handle
        del request.node.stash[_HANDLE]


def _check_elsewhere(config: pytest.Config, wishes: _Wishes, isolation: str | None) -> None:
    """Skip what a Kafka elsewhere cannot do; tests that share its names cannot run side by side."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if isolation == "topics" and workers > 1:
        raise pytest.UsageError(
            f"{workers} workers share one Kafka, where the isolation topics takes what appears "
            "during a test for the test's own: run without -n, or with the isolation namespace"
        )
    ours = ", ".join(need for need in wishes.needs if need != "registry")
    if ours:
        pytest.skip(f"needs {ours}, which only a bus of our own has")
    if "registry" in wishes.needs and not config.getoption("fakebus_registry"):
        pytest.skip("needs a registry: name it with --fakebus-registry URL")
    if wishes.set:
        pytest.skip("sets broker configs, which are not ours to set")


@pytest.fixture
def fakebus_attribute(request: pytest.FixtureRequest, fakebus: TestBus) -> None:
    """Gives ``self.fakebus`` to the tests of classes that cannot take fixtures as arguments."""
    if request.instance is None:
        raise pytest.UsageError("fakebus_attribute is for tests in classes")
    request.instance.fakebus = fakebus


def _expelled(handle: TestBus) -> str:
    who = printable_lines(f"  {each}" for each in handle.expelled)
    return (
        f"{who}\nlived on when the last tests were rolled back, which takes consumers out of their "
        "groups until their next heartbeat.\nClose them at the end of their test, or mark the "
        'tests that share one @pytest.mark.fakebus(isolation="advance").'
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what happened on the bus to the report of a test that failed."""
    report = yield
    handle = item.stash.get(_HANDLE, None)
    if handle is None:
        return report
    if report.failed:
        report.sections.append(("fakebus timeline", handle.timeline() or "nothing happened"))
        if handle.expelled:
            report.sections.append(("fakebus consumers of earlier tests", _expelled(handle)))
    called = report.when == "call" and not handle.is_external
    idle = handle.faults.never_fired if called else []
    if idle:
        texts = printable_lines(fault.description for fault in idle)
        report.sections.append(("fakebus faults that never fired", texts))
    return report
