"""The pytest plugin: a ``fakebus`` fixture for synchronous and asynchronous tests.

One bus runs for the whole session (one for each xdist worker), in memory and on free ports.
Every test that asks for ``fakebus`` sees it as it was seeded: what a test has written,
created, deleted or committed is rolled back when it ends.

Options, in the ini file:
    fakebus_fixtures: directories of fixture files to seed from, relative to the ini file.
    fakebus_set: broker configs by Kafka's names, ``key=value``, one a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fakebus.app import BusThread
    from fakebus.config import Settings
    from fakebus.testing.handle import TestBus

TEST_CONFIGS = {
    "fakebus.evict.on.disconnect": "true",
    "group.min.session.timeout.ms": "100",
}
"""What a test wants and a broker does not: members whose connection closed leave at once."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("fakebus_fixtures", "directories of fixture files to seed from", type="paths")
    parser.addini("fakebus_set", "broker configs, key=value", type="linelist")


@pytest.fixture(scope="session")
def fakebus_settings(pytestconfig: pytest.Config) -> Settings:
    """Settings of the session's bus; override it to change more than the ini file can."""
    from fakebus.config import Address, Settings, parse_assignments

    return Settings(
        fixtures=tuple(pytestconfig.getini("fakebus_fixtures")),
        data=None,
        kafka=(Address("127.0.0.1", 0),),
        http=(),
        set={**TEST_CONFIGS, **parse_assignments(pytestconfig.getini("fakebus_set"))},
    )


@pytest.fixture(scope="session")
def fakebus_session(fakebus_settings: Settings) -> Iterator[BusThread]:
    """The bus of the session, in a thread of its own."""
    from fakebus.app import BusThread, FakeBus

    with BusThread(FakeBus(fakebus_settings)) as running:
        yield running


@pytest.fixture
def fakebus(fakebus_session: BusThread) -> Iterator[TestBus]:
    """A bus on free ports that is as it was seeded; see :class:`fakebus.testing.TestBus`."""
    from fakebus.testing.isolation import isolated

    with isolated(fakebus_session) as handle:
        yield handle
