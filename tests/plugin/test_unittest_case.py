"""Test cases with a bus under the runners of Django and unittest, each as people start it."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path

import pytest

from fakebus.testing import FakebusTestCase
from tests.plugin.test_options import fixture_set

PROJECT = {
    "manage.py": """
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
""",
    "settings.py": """
SECRET_KEY = "test"
INSTALLED_APPS = ["shop"]
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
KAFKA = "set by tests"
""",
    "shop/__init__.py": "",
    "shop/models.py": """
from confluent_kafka import Producer
from django.conf import settings
from django.db import models


class Order(models.Model):
    item = models.CharField(max_length=20)

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        producer = Producer({"bootstrap.servers": settings.KAFKA})
        producer.produce("orders", self.item)
        assert producer.flush(60) == 0

    class Meta:
        app_label = "shop"
""",
    "shop/tests.py": """
import os
from pathlib import Path

from django.test import TestCase, override_settings
from fakebus.testing import FakebusTestCase

from shop.models import Order


class Ordering(FakebusTestCase, TestCase):
    fakebus_fixtures = "../seeded"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(override_settings(KAFKA=cls.fakebus_addresses().bootstrap_servers))
        Path(f"process-{os.getpid()}").touch()

    def order(self):
        Order.objects.create(item="apples")
        self.assertEqual(self.fakebus.expect("orders", "apples").offset, 0)
        self.assertEqual(Order.objects.count(), 1)
        self.assertEqual(self.fakebus.publish("seeded", "two").offset, 1)


class First(Ordering):
    def test_one(self):
        self.order()

    def test_two(self):
        self.order()

    async def test_coroutine(self):
        await self.fakebus.aio.publish("orders", "pears")
        assert (await self.fakebus.aio.expect("orders")).offset == 0


class Second(Ordering):
    fakebus_isolation = "namespace"

    def test_own_names(self):
        self.assertNotEqual(self.fakebus.topic("seeded"), "seeded")
        self.assertEqual(self.fakebus.publish("seeded", "two").offset, 1)


class Third(FakebusTestCase):
    fakebus_partitions = 3
    fakebus_set = {"message.max.bytes": "2000"}

    def test_configs(self):
        self.assertEqual(self.fakebus.publish("t", "x", partition=2).offset, 0)
        with self.assertRaisesRegex(Exception, "2000"):
            self.fakebus.publish("t", "x" * 5000)
""",
    "plain.py": """
import unittest

from fakebus.testing import FakebusTestCase


class Plain(FakebusTestCase):
    def test_fails(self):
        self.fakebus.publish("orders", "apples")
        self.fail("as it should")

    def test_skips(self):
        self.skipTest("not today")

    @unittest.expectedFailure
    def test_is_expected(self):
        self.fail()


class Coroutines(FakebusTestCase, unittest.IsolatedAsyncioTestCase):
    async def test_fails(self):
        await self.fakebus.aio.publish("orders", "pears")
        raise RuntimeError("as it should")


class Wrong(FakebusTestCase):
    fakebus_set = {"num.partitionz": "2"}

    def test_config(self):
        pass
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    fixture_set(tmp_path / "seeded", "seeded")
    return tmp_path


def outcome(project: Path, *command: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_a_django_project_tests_itself(project: Path, processes: int) -> None:
    status, output = outcome(project, "manage.py", "test", "--parallel", str(processes))
    assert status == 0, output
    assert "Ran 5 tests" in output
    assert 1 <= len(list(project.glob("process-*"))) <= processes


def test_unittest_tells_what_happened_on_the_bus(project: Path) -> None:
    status, output = outcome(project, "-m", "unittest", "plain")
    assert status == 1
    assert "FAILED (failures=1, errors=2, skipped=1, expected failures=1)" in output
    assert output.count("fakebus timeline:") == 2
    for text in ("apples", "pears"):
        assert f"orders[0]@0  value={text}  produced by the test" in output
    assert "there is no broker config 'num.partitionz'; did you mean num.partitions?" in output


def _error_of(case: FakebusTestCase) -> str:
    result = unittest.TestResult()
    case.run(result)
    [(_, text)] = result.errors
    return text.splitlines()[-1]


def test_a_set_up_that_leaves_ours_out_is_told_what_to_begin_with() -> None:
    class Case(FakebusTestCase):
        def setUp(self) -> None:
            pass

        def runTest(self) -> None:  # noqa: N802 - unittest's name
            self.fakebus.publish("t", "x")

    assert "begin setUp with super().setUp()" in _error_of(Case())


def test_an_isolation_that_there_is_not_is_told() -> None:
    class Case(FakebusTestCase):
        fakebus_isolation = "rolback"

        def runTest(self) -> None:  # noqa: N802 - unittest's name
            pass

    assert "is one of rollback, advance, namespace" in _error_of(Case())
