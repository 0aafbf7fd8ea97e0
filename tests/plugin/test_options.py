"""What the plugin is told by markers, the ini file and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugin.test_plugin import few_plugins, run
from tests.unit.fixture_files.packages import install

__all__ = ["few_plugins"]


def fixture_set(directory: Path, topic: str) -> None:
    directory.mkdir()
    (directory / "fakebus.yaml").write_text(
        f"version: 1\ntopics: [{{name: {topic}, value: {{format: string}}, load: e.ndjson}}]\n"
    )
    (directory / "e.ndjson").write_text('{"value": "one"}\n')


def test_a_marker_gives_a_test_what_it_wants(pytester: pytest.Pytester) -> None:
    fixture_set(pytester.path / "more", "extra")
    code = """
import pytest
from confluent_kafka.admin import AdminClient


def partitions(bus, topic):
    admin = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    return len(admin.list_topics(timeout=60).topics[topic].partitions)


pytestmark = pytest.mark.fakebus(partitions=3, fixtures="more")


def test_module(fakebus):
    fakebus.publish("t", "x")
    assert partitions(fakebus, "t") == 3
    assert fakebus.events("extra") == []
    assert fakebus.publish("extra", "two").offset == 1


@pytest.mark.fakebus(partitions=5, set={"message.max.bytes": 2000}, fixtures=())
def test_nearer(fakebus):
    fakebus.publish("t", "x")
    assert partitions(fakebus, "t") == 5
    assert fakebus.publish("extra", "one").offset == 0
    with pytest.raises(Exception, match="2000"):
        fakebus.publish("t", "x" * 5000)


@pytest.mark.fakebus(set={"num.partitions": 7})
class TestConfigs:
    @pytest.mark.fakebus(partitions=None, set={"message.max.bytes": 2000})
    def test_configs_add_up(self, fakebus):
        fakebus.publish("t", "x")
        assert partitions(fakebus, "t") == 7
        with pytest.raises(Exception, match="2000"):
            fakebus.publish("t", "x" * 5000)


@pytest.mark.fakebus(isolation="none")
def test_stays(fakebus):
    fakebus.publish("kept", "x")


@pytest.mark.fakebus(isolation="namespace")
def test_own_names(fakebus):
    assert fakebus.topic("kept") != "kept"
    assert fakebus.publish("kept", "x").offset == 0


def test_was_kept(fakebus):
    assert fakebus.publish("kept", "x").offset == 1
"""
    run(pytester, code, passed=6)


def test_a_marker_that_makes_no_sense_is_explained(pytester: pytest.Pytester) -> None:
    code = """
import pytest


@pytest.mark.fakebus(isolation="undo")
def test_isolation(fakebus): pass


@pytest.mark.fakebus(partition=3)
def test_name(fakebus): pass


@pytest.mark.fakebus(needs="magic")
def test_needs(fakebus): pass


@pytest.mark.fakebus(3)
def test_position(fakebus): pass
"""
    output = run(pytester, code, errors=4)
    assert "isolation is one of rollback, advance, namespace, topics, none, not 'undo'" in output
    assert "has no 'partition'" in output
    assert "needs names faults, brokers, clock, snapshot, flows, registry, not magic" in output
    assert "takes named arguments only" in output


def test_the_command_line_adds_to_the_ini_file(pytester: pytest.Pytester) -> None:
    fixture_set(pytester.path / "one", "first")
    fixture_set(pytester.path / "two", "second")
    pytester.makeini(
        "[pytest]\nfakebus_fixtures = one\nfakebus_partitions = 2\nfakebus_isolation = none\n"
    )
    code = """
import pytest


@pytest.mark.parametrize("turn", [1, 2])
def test_it(fakebus, turn):
    assert fakebus.publish("first", "x").offset == turn
    assert fakebus.publish("second", "x").offset == turn
    assert fakebus.publish("new", "x", partition=3).offset == turn - 1
"""
    run(pytester, code, "--fakebus-fixtures", "two", "--fakebus-partitions", "4", passed=2)
    code = """
import pytest


@pytest.mark.parametrize("turn", [1, 2])
def test_it(fakebus, turn):
    assert fakebus.publish("first", "x").offset == 1
    with pytest.raises(Exception, match="topic"):
        fakebus.publish("new", "x")
"""
    options = (
        "--fakebus-isolation",
        "rollback",
        "--fakebus-set",
        "auto.create.topics.enable=false",
    )
    run(pytester, code, *options, passed=2)


def test_classes_that_take_no_fixtures_have_an_attribute(pytester: pytest.Pytester) -> None:
    code = """
import os
import unittest

import django
import pytest
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
)
django.setup()

from django.test import SimpleTestCase


@pytest.mark.usefixtures("fakebus_attribute")
class TestPlain(unittest.TestCase):
    def test_one(self):
        assert self.fakebus.publish("t", "x").offset == 0

    @pytest.mark.fakebus(partitions=2)
    def test_two(self):
        assert self.fakebus.publish("t", "x", partition=1).offset == 0


@pytest.mark.usefixtures("fakebus_attribute")
class TestDjango(SimpleTestCase):
    def test_one(self):
        assert self.fakebus.publish("t", "x").offset == 0


@pytest.mark.usefixtures("fakebus_attribute")
def test_function(): pass
"""
    assert "tests in classes" in run(pytester, code, passed=3, errors=1)


def test_fixtures_of_the_session_know_where_the_bus_is(pytester: pytest.Pytester) -> None:
    code = """
import pytest


@pytest.fixture(scope="session")
def producer(fakebus_addresses):
    return Producer({"bootstrap.servers": fakebus_addresses.bootstrap_servers})


@pytest.mark.parametrize("turn", [1, 2])
def test_it(producer, fakebus, turn):
    producer.produce("orders", "x")
    assert producer.flush(60) == 0
    assert fakebus.expect("orders", "x").offset == 0
"""
    run(pytester, code, passed=2)


def test_anyio_tests_wait_without_blocking(pytester: pytest.Pytester) -> None:
    code = """
import anyio
import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.mark.anyio
async def test_later(fakebus):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fakebus.aio.expect, "t", "x")
        await fakebus.aio.publish("t", "x")
    await fakebus.aio.clock.freeze()
    frozen = await fakebus.aio.clock.now()
    await fakebus.aio.clock.advance(60)
    assert (await fakebus.aio.clock.now() - frozen).total_seconds() == 60
    with pytest.raises(AssertionError, match="no matching event came"):
        await fakebus.aio.expect("t", "y", timeout=0)
    with anyio.move_on_after(0.1) as scope:
        await fakebus.aio.expect("t", "y", timeout=60)
    assert scope.cancelled_caught
"""
    run(pytester, code, "-p", "anyio.pytest_plugin", passed=2)


def test_a_failure_shows_what_happened_on_the_bus(pytester: pytest.Pytester) -> None:
    code = """
def test_it(fakebus):
    fakebus.faults.fail(api="Heartbeat", error="UNKNOWN_MEMBER_ID", group="nobody")
    produce(fakebus.bootstrap_servers, "orders", b'{"id": 7}')
    fakebus.publish("orders", {"id": 8}, key="k", headers={"ce_type": "paid", "x": "y"})
    consumer = Consumer({
        "bootstrap.servers": fakebus.bootstrap_servers,
        "group.id": "billing",
        "client.id": "billing-1",
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe(["orders"])
    while consumer.poll(0.1) is None:
        pass
    consumer.commit(asynchronous=False)
    consumer.close()
    assert 1 == 2


def test_quiet(fakebus):
    assert 1 == 2
"""
    output = run(pytester, code, failed=2)
    timeline = output.partition("- fakebus timeline -")[2].partition("___")[0]
    assert 'orders[0]@0  value={"id": 7}  produced by rdkafka' in timeline
    assert 'orders[0]@1  key=k  ce_type=paid  value={"id": 8}  produced by the test' in timeline
    assert "orders[0]@0-1  fetched by billing-1" in timeline
    assert "orders[0]@1  committed by billing-1 for group billing" in timeline
    assert "fail Heartbeat with UNKNOWN_MEMBER_ID, group nobody" in timeline
    assert "nothing happened" in output


def test_packages_are_named_wherever_sets_are(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = pytester.path / "site"
    monkeypatch.setenv("PYTHONPATH", str(site))
    for name, version in {"one": "1.5", "two": "2.0", "three": "3.1"}.items():
        text = (
            f"version: 1\ntopics: [{{name: {name}, value: {{format: string}}, load: e.ndjson}}]\n"
        )
        files = {"fakebus.yaml": text, "e.ndjson": '{"value": "x"}\n'}
        install(site, f"set-{name}", files, version=version)
    for folder in (pytester.path / "adds", pytester.path / "adds" / "again"):
        folder.mkdir()
        (folder / "fakebus.yaml").write_text("version: 1\ninclude: e.ndjson\n")
        event = {"topic": "one", "value": folder.name}
        (folder / "e.ndjson").write_text(json.dumps(event))
    (folder / "fakebus.yaml").write_text("version: 1\nname: again\ninclude: e.ndjson\n")
    (pytester.path / "own").mkdir()
    (pytester.path / "own" / "fakebus.yaml").write_text(
        "version: 1\nname: billing\nuses: [{package: set-three}]\ninclude: more.ndjson\n"
    )
    (pytester.path / "own" / "more.ndjson").write_text('{"topic": "three", "value": "y"}\n')
    code = """
import pytest


@pytest.mark.fakebus(fixtures="package:set-two")
def test_all(fakebus):
    assert fakebus.tested_with == ["set-one 1.5", "set-two 2.0"]
    fakebus.seed("own", "package:set-one")
    assert fakebus.tested_with[2:] == ["set-three 3.1", "billing"]
    offsets = [fakebus.publish(topic, "z").offset for topic in ("one", "two", "three")]
    assert offsets == [1, 1, 2]


@pytest.mark.fakebus(fixtures="adds")
def test_a_set_of_a_test_adds_to_those_of_the_session(fakebus):
    assert fakebus.publish("one", "z").offset == 2
    fakebus.seed("adds/again")
    assert fakebus.publish("one", "z").offset == 4


@pytest.mark.fakebus(fixtures="adds", isolation="namespace")
def test_a_set_of_a_test_adds_in_its_names_too(fakebus):
    fakebus.seed("adds/again")
    assert fakebus.publish("one", "z").offset == 3


@pytest.mark.fakebus(fixtures="package:set-two", isolation="namespace")
def test_namespace(fakebus):
    assert [fakebus.publish(topic, "z").offset for topic in ("one", "two")] == [1, 1]
"""
    pytester.makeini("[pytest]\nfakebus_fixtures = package:set-one\n")
    assert "\nfakebus: tested with set-one 1.5\n" in run(pytester, code, passed=4)
    code = "def test(fakebus): ..."
    output = run(pytester, code, "--fakebus-fixtures", "package:gone", errors=1)
    assert 'there is no package "gone" here; install it beside fakebus' in output


def test_a_bus_of_several_brokers_is_whole_again_after_a_test(pytester: pytest.Pytester) -> None:
    code = """\
import pytest

@pytest.mark.parametrize("again", [False, True])
def test_it(fakebus, again):
    assert fakebus.brokers.running() == [1, 2, 3]
    fakebus.publish("orders", {"id": 1})
    leader = fakebus.brokers.leader("orders")
    fakebus.brokers.stop(leader)
    assert fakebus.brokers.leader("orders") != leader
    fakebus.publish("orders", {"id": 2})
    assert len(fakebus.events("orders")) == 2
"""
    run(pytester, code, "--fakebus-brokers", "3", passed=2)
