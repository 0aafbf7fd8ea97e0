"""Examples of README and how-tos, as files that pytest runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = --import-mode=importlib
fakebus_fixtures = shared
"""
SHARED = {
    "fakebus.yaml": """
version: 1
topics: [{name: orders, load: orders.ndjson, contract: {type: value.kind}}]
""",
    "orders.ndjson": (
        '{"key": "customer-7", "value": {"kind": "placed", "item": "pears", "total": 2}}\n'
    ),
}
"""The set that the examples speak of."""
SETTINGS = """
import json

import django
import pytest
from confluent_kafka import Producer
from django.conf import settings

LOGIN = "org.openedx.learning.auth.session.login.completed.v1"
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["openedx_events"],
    SERVICE_VARIANT="lms",
    EVENT_BUS_PRODUCER_CONFIG={
        LOGIN: {"user-login": {"event_key_field": "user.pii.username", "enabled": True}}
    },
)
django.setup()


@pytest.fixture
def shop(fakebus):
    class Shop:
        def order(self, item):
            producer = Producer(fakebus.client_config())
            order = {"kind": "placed", "item": item, "total": 1}
            producer.produce(fakebus.topic("orders"), json.dumps(order), key="customer-7")
            producer.flush()

    return Shop()


@pytest.fixture
def billing():
    class Billing:
        def handle(self, order):
            assert order["total"] >= 0

    return Billing()


def pytest_collection_modifyitems(items, config):
    for item in items:
        isolation = item.path.parent.name
        item.add_marker(pytest.mark.fakebus(isolation=isolation))
        if not config.getoption("fakebus_bootstrap"):
            # Other configs mean another bus, so that what some isolations leave stays there.
            interval = {"log.retention.check.interval.ms": 300_000 + len(isolation)}
            item.add_marker(pytest.mark.fakebus(set=interval))
    # This one reads what was seeded, which others may take away or put more to.
    items.sort(key=lambda item: not item.path.name.startswith("test_share_a_set"))
"""
PLUGINS = (
    "fakebus.pytest_plugin",
    "fakebus.contract_plugin",
    "fakebus.openedx.pytest_plugin",
    "pytest_asyncio.plugin",
)


def python_blocks() -> dict[str, str]:
    """Return the blocks of Python code by a name for each."""
    return {
        f"{page.stem.lower().replace('-', '_')}_{number}": block
        for page in PAGES
        for number, block in enumerate(
            re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
        )
    }


def run_examples(
    pytester: pytest.Pytester, isolations: Iterable[str], *options: str
) -> dict[str, int]:
    """Run every block under every isolation in one session; return the outcomes.

    A block without tests is run by being imported.
    """
    pytester.makeini(INI)
    pytester.makeconftest(SETTINGS)
    shared = pytester.mkdir("shared")
    for name, text in SHARED.items():
        (shared / name).write_text(text)
    for isolation in isolations:
        directory = pytester.mkdir(isolation)
        for name, block in python_blocks().items():
            (directory / f"test_{name}.py").write_text(block)
    loaded = [argument for plugin in PLUGINS for argument in ("-p", plugin)]
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-rs", *loaded, *options, timeout=240
    )
    outcomes = result.parseoutcomes()
    # Only Open edX's event bus warns, of what it has not been given.
    outcomes.pop("warnings", None)
    return outcomes
