"""What all tests share."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pkgutil
import re
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import fakebus.registry
import fakebus.schemas
import fakebus.testing
import fakebus.web
from fakebus.limited_log import LimitedLog
from tools.file_scheduling import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from tools.plain_reports import pytest_report_to_serializable as pytest_report_to_serializable
from tools.plain_reports import pytest_warning_recorded as pytest_warning_recorded

# How long an example takes depends on what else the machine does.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI decides about a change, so it looks at the same examples in the same order every time; whoever
# runs the tests at their desk looks at new ones.
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") and config.getoption("randomly_seed", None) == "default":
        config.option.randomly_seed = 1


EXAMPLES = int(os.environ.get("EXAMPLES", "1"))
"""How many times as many examples each law is held against as usual; see ``make laws``."""


# What is imported and collected stays until the end. The collector would walk all of it again and
# again: a quarter of the time of collecting, and a tenth of the tests'.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


_LONG = ("kill", "slow")
_LONG_FILES = re.compile("tests/(clients|openedx|plugin|kill)/")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let Hypothesis try more examples, whatever the test says itself."""
    if EXAMPLES == 1:
        return
    own, machine = "_hypothesis_internal_use_settings", getattr(item, "cls", None)
    function = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
    for law, name in ((function, own), (machine, "settings")):
        known = getattr(law, name, None)
        # A law with parameters is several tests.
        if isinstance(known, settings) and not hasattr(law, "examples"):
            setattr(law, name, settings(known, max_examples=known.max_examples * EXAMPLES))
            setattr(law, "examples", EXAMPLES)  # noqa: B010 - of whatever it is


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes long come first, so that no worker is left alone with it at the end."""
    items.sort(
        key=lambda item: (
            not any(map(item.get_closest_marker, _LONG)),
            not _LONG_FILES.match(item.nodeid),
        )
    )


@pytest.fixture(scope="session")
def imported_modules() -> None:
    """All modules of the rooms that import some late, for tests that use pytester and a bus.

    pytester takes away again what was imported meanwhile. Imported a second time it has classes of
    its own, and a schema that an older one has parsed is of none of them.
    """
    for room in (fakebus.registry, fakebus.schemas, fakebus.testing, fakebus.web):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)


_CLIENT_LIBRARIES = ("aiokafka", "kafka", "urllib3")
"""Whose threads an earlier test may have left."""


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Give pytest's own, before which nobody has used up this minute's lines of the process."""
    for name, module in list(sys.modules.items()):
        if name.startswith("fakebus."):
            for log in vars(module).values():
                if isinstance(log, LimitedLog):
                    log.forget()

    def is_ours(record: logging.LogRecord) -> bool:
        return record.name.partition(".")[0] not in _CLIENT_LIBRARIES

    caplog.handler.addFilter(is_ours)
    yield caplog
    caplog.handler.removeFilter(is_ours)
