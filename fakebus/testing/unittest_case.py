"""Test cases of unittest and Django, whose runners know no pytest fixtures."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import unittest
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from fakebus.errors import ConfigError
from fakebus.fixture_files.set_sources import set_path
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.external_bus import ExternalBus
from fakebus.testing.handle import Addresses, TestBus
from fakebus.testing.isolation import Isolation

_Bus = EmbeddedBus | ExternalBus

_running: dict[tuple[object, ...], _Bus] = {}
"""The buses that are there, by the process that has started them and what was wanted of them."""
_open = ExitStack()
atexit.register(_open.close)


class FakebusTestCase(unittest.TestCase):
    """Test case whose tests have a bus, ``self.fakebus``, as the pytest fixture of that name.

    The bus is in memory and on free ports. It is started once in each process for all classes
    that want the same of it, and every test finds it as it was seeded. With Django, name it
    before Django's class:

        class BillingTest(FakebusTestCase, django.test.TestCase):
            fakebus_fixtures = "fixtures"

    A ``setUp`` of one's own begins with ``super().setUp()``. A test that fails tells what has
    happened on the bus.
    """

    fakebus_fixtures: ClassVar[str | Path | Sequence[str | Path]] = ()
    """Sets of fixture files, relative to the file of the class."""
    fakebus_partitions: ClassVar[int | None] = None
    """How many partitions topics get that say nothing else."""
    fakebus_set: ClassVar[Mapping[str, str]] = {}
    """Broker configs by Kafka's names."""
    fakebus_isolation: ClassVar[str] = "rollback"
    """What becomes of a test's doings: rollback, advance, namespace, topics or none."""
    fakebus_bootstrap: ClassVar[str] = ""
    """A Kafka that runs already; empty for a bus of our own."""
    fakebus_registry: ClassVar[str] = ""
    """That Kafka's schema registry."""

    fakebus: TestBus

    def __getattr__(self, name: str) -> Any:
        if name == "fakebus":
            raise AttributeError("there is no self.fakebus yet: begin setUp with super().setUp()")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @classmethod
    def fakebus_addresses(cls) -> Addresses:
        """Return where the bus is, for ``setUpClass`` and what lives longer than a test."""
        return cls._bus().addresses

    @classmethod
    def _bus(cls) -> _Bus:
        wanted = cls.fakebus_fixtures
        names = [wanted] if isinstance(wanted, str | Path) else wanted
        fixtures = [set_path(name, Path(inspect.getfile(cls)).parent) for name in names]
        partitions, configs = cls.fakebus_partitions, cls.fakebus_set
        elsewhere = cls.fakebus_bootstrap, cls.fakebus_registry
        # A process that was forked has the bus's memory, but not its thread.
        key = (os.getpid(), *fixtures, partitions, frozenset(configs.items()), elsewhere)
        if key not in _running:
            bus: _Bus
            if cls.fakebus_bootstrap:
                bus = ExternalBus(*elsewhere, fixtures, partitions)
            else:
                settings = bus_settings(fixtures=fixtures, partitions=partitions, configs=configs)
                bus = EmbeddedBus(settings)
            _open.enter_context(bus)
            _running[key] = bus
        return _running[key]

    def setUp(self) -> None:
        """Give the test its bus, and take back at its end what it has done there.

        Raises:
            ConfigError: a config or the isolation is not known or not valid, or the Kafka does
                not answer.
            FixtureError: a fixture set has problems.
        """
        known = [each.value for each in Isolation]
        if self.fakebus_isolation not in known:
            raise ConfigError(
                f"fakebus_isolation is one of {', '.join(known)}, not {self.fakebus_isolation!r}"
            )
        self.fakebus = self.enterContext(self._bus().test(Isolation(self.fakebus_isolation)))
        super().setUp()

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test; what makes it fail is told with the bus's timeline."""
        # Runners and Django take the method by its name, so this is where it is found by all.
        method = getattr(self, self._testMethodName)
        setattr(self, self._testMethodName, self._with_timeline(method))
        return super().run(result)

    def _with_timeline(self, method: Callable[[], Any]) -> Callable[[], Any]:
        @functools.wraps(method)
        def call() -> Any:
            try:
                return method()
            except Exception as failure:
                self._add_timeline(failure)
                raise

        @functools.wraps(method)
        async def call_asynchronously() -> Any:
            try:
                return await method()
            except Exception as failure:
                self._add_timeline(failure)
                raise

        return call_asynchronously if inspect.iscoroutinefunction(method) else call

    def _add_timeline(self, failure: Exception) -> None:
        if "fakebus" in self.__dict__ and not isinstance(failure, unittest.SkipTest):
            failure.add_note(f"fakebus timeline:\n{self.fakebus.timeline() or 'nothing happened'}")
