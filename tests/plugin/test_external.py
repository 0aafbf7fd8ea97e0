"""The same tests on a Kafka that somebody else runs; here it is a second fakebus."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest
from confluent_kafka import Message

from fakebus.client.reading import FetchedRecord, Reader
from fakebus.client.registry import RegistryClientError
from fakebus.errors import BrokerError, ConfigError, ErrorCode, MissingExtraError
from fakebus.testing import NotOnThisCluster, TestBus, running_bus
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.external_bus import ExternalBus
from fakebus.testing.isolation import Isolation
from tests.plugin.test_options import fixture_set
from tests.plugin.test_plugin import few_plugins, run

__all__ = ["few_plugins"]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[TestBus]:
    with EmbeddedBus(bus_settings(configs={})) as running, running.test() as handle:
        yield handle


def test_the_same_tests_run_elsewhere(pytester: pytest.Pytester, elsewhere: TestBus) -> None:
    fixture_set(pytester.path / "one", "first")
    pytester.makeini("[pytest]\nfakebus_fixtures = one\n")
    code = """
import pytest


@pytest.mark.parametrize("turn", [1, 2])
def test_it(fakebus, turn):
    topic = fakebus.topic("t")
    produce(fakebus.bootstrap_servers, topic, b'{"id": 7}')
    assert fakebus.expect("t", {"id": 7}).offset == 0
    fakebus.publish("t", {"id": 8}, key="k", headers={"h": "v"})
    fakebus.expect_none("t", {"id": 9}, within=0)
    assert [event.data["id"] for event in fakebus.emitted()] == [7, 8]
    assert fakebus.events("first") == []
    assert fakebus.publish("first", "two").offset == 1
    consumer = Consumer({
        "bootstrap.servers": fakebus.bootstrap_servers,
        "group.id": fakebus.group("g"),
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe([topic])
    assert [consumer.poll(60).value() for _ in range(2)] == [b'{"id": 7}', b'{"id":8}']
    assert fakebus.lag("nobody") == {}
    with pytest.raises(AssertionError, match="hangs: committed nothing, the log ends at 2") as told:
        fakebus.wait_for_group("g", timeout=0.1)
    for setting in ("enable.auto.commit", "auto.commit.interval.ms", "auto.offset.reset"):
        assert setting in str(told.value)
    with pytest.raises(Exception, match="known on a bus of our own only"):
        fakebus.wait_for_group("g", until="fetched")
    fakebus.wait_for_members("g")
    consumer.commit(asynchronous=False)
    fakebus.wait_for_group("g")
    assert fakebus.lag("g") == {(topic, 0): 0}
    consumer.close()


@pytest.mark.fakebus(needs=["faults", "clock"])
def test_ours_only(fakebus): pass


@pytest.mark.fakebus(set={"message.max.bytes": 2000})
def test_config(fakebus): pass


def test_impossible(fakebus):
    fakebus.faults.fail(api="Produce", error="NOT_LEADER_OR_FOLLOWER")


def test_wrong(fakebus):
    fakebus.publish("t", "x")
    fakebus.expect("t", "y", timeout=0.1)
"""
    arguments = ("-rs", "--fakebus-bootstrap", elsewhere.bootstrap_servers)
    output = run(pytester, code, *arguments, passed=2, skipped=2, failed=2)
    assert "needs faults, clock, which only a bus of our own has" in output
    assert "sets broker configs, which are not ours to set" in output
    assert 'mark the test @pytest.mark.fakebus(needs="faults") to skip it here' in output
    assert "value is 'x', not 'y'" in output
    assert elsewhere.emitted() == []


def test_causes_are_told_by_headers_and_what_they_cannot_tell_is_refused(
    elsewhere: TestBus,
) -> None:
    with ExternalBus(elsewhere.bootstrap_servers, "") as external, external.test() as bus:
        order = bus.publish("caused-orders", {}, headers={"ce_id": "order-1"})
        invoice = bus.publish("caused-invoices", {}, headers={"ce_causationid": "order-1"})
        assert bus.expect("caused-invoices", caused_by=order) == invoice
        [edge] = bus.flow(order)["edges"]
        assert (edge["to"], edge["evidence"]) == (invoice.name, "stated")
        with pytest.raises(NotOnThisCluster, match="says no id of itself in its headers"):
            bus.expect("caused-invoices", caused_by=bus.publish("caused-orders", {}), timeout=0)
        with pytest.raises(AssertionError, match="was caused by nothing that is known"):
            bus.expect("caused-orders", caused_by=order, timeout=0)
        with pytest.raises(NotOnThisCluster, match="only a bus of our own knows"):
            bus.assert_no_unhandled()


def test_what_only_a_bus_of_our_own_can_do_is_refused(elsewhere: TestBus) -> None:
    with ExternalBus(elsewhere.bootstrap_servers, "") as external:
        with external.test() as bus:
            assert bus.is_external
            for refused in (
                lambda: bus.snapshot(),
                lambda: bus.rollback(),
                lambda: bus.clock.freeze(),
                lambda: bus.aio.clock,
                lambda: bus.faults,
            ):
                with pytest.raises(NotOnThisCluster, match="a bus of our own"):
                    refused()
            with pytest.raises(NotOnThisCluster, match="a bus of our own only"):
                assert bus.http_url
            for needs_registry in (
                lambda: bus.schema_registry_url,
                lambda: bus.publish_event("t", {}),
                lambda: bus.assert_schema_compatible("t-value", "{}"),
            ):
                with pytest.raises(NotOnThisCluster, match="name it with --fakebus-registry URL"):
                    needs_registry()


@pytest.mark.parametrize("external", [False, True], ids=["ours", "external"])
def test_what_is_refused_is_refused_alike(elsewhere: TestBus, external: bool) -> None:
    with ExitStack() as stack:
        if not external:
            bus = stack.enter_context(running_bus())
        else:
            there = stack.enter_context(ExternalBus(elsewhere.bootstrap_servers, ""))
            bus = stack.enter_context(there.test())
        bus.publish("refusing", "x")
        for code, topic, value, partition in (
            (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "refusing", "x", 9),
            (ErrorCode.INVALID_TOPIC_EXCEPTION, "no name", "x", None),
            (ErrorCode.MESSAGE_TOO_LARGE, "refusing", "x" * 3_000_000, None),
        ):
            with pytest.raises(BrokerError) as failure:
                bus.publish(topic, value, partition=partition)
            assert failure.value.error_code is code


def test_a_registry_that_does_not_answer_is_named(elsewhere: TestBus) -> None:
    with pytest.raises(RegistryClientError, match=r"no schema registry answers at http://127\.0"):
        ExternalBus(elsewhere.bootstrap_servers, "http://127.0.0.1:1")


def test_groups_of_fixtures_start_where_the_file_says(
    elsewhere: TestBus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("root") / "set"
    fixture_set(directory, "t")
    path = directory / "fakebus.yaml"
    path.write_text(
        path.read_text() + "groups: [{group: late, offsets: {t: {'*': latest}}},\n"
        "  {group: early, offsets: {t: {0: 0}}}]\n"
    )
    with ExternalBus(elsewhere.bootstrap_servers, "", [directory], 2) as external:
        with external.test() as bus:
            assert bus.lag("late") == {(bus.topic("t"), 0): 0}
            assert bus.lag("early") == {(bus.topic("t"), 0): 1}
            bus.seed(directory)
            assert bus.lag("early") == {(bus.topic("t"), 0): 1}
            assert bus.publish("new", "x", partition=1).offset == 0
            assert bus.publish("new", "x").partition == 0
            assert bus.publish("new", "x").partition == 1


def test_a_cluster_that_is_ours_alone_keeps_its_names(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("root") / "set"
    fixture_set(directory, "seeded")
    alone = EmbeddedBus(bus_settings(configs={}))
    with alone, alone.test(Isolation.NONE) as there:
        for _ in range(2):
            with ExternalBus(there.bootstrap_servers, "", [directory]) as external:
                offset = len(there.events("seeded"))
                for turn in range(2):
                    with external.test(Isolation.TOPICS) as bus:
                        assert (bus.topic("new"), bus.group("g")) == ("new", "g")
                        assert (bus.emitted(), bus.lag("g")) == ([], {})
                        there.publish("new", "x")
                        assert bus.expect("new", "x").offset == 0
                        assert bus.publish("seeded", f"{turn}").offset == max(1, offset) + turn
                        assert [e.text for e in bus.events("seeded")] == [f"{turn}"]
                        there.take("new", "g")
                        assert bus.lag("g") == {("new", 0): 0}
        assert [event.text for event in there.events("seeded")] == ["one", *"0101"]
        assert there.events("new") == []
        assert there.lag("g") == {}


def test_events_that_came_without_the_tests_prefix_are_told(elsewhere: TestBus) -> None:
    elsewhere.publish("invoices", "old")
    with ExternalBus(elsewhere.bootstrap_servers, "") as external:
        with external.test() as bus:
            elsewhere.publish("invoices", {"order": 7})
            elsewhere.publish("invoices", {"order": 8})
            with pytest.raises(AssertionError) as failure:
                bus.expect("invoices", {"order": 8}, timeout=0)
            assert "a matching one (invoices[0]@2 " in str(failure.value)
            with pytest.raises(AssertionError) as failure:
                bus.expect("invoices", {"order": 9}, timeout=0)
            assert "2 events came to invoices itself, without" in str(failure.value)
            assert 'give the service fakebus.topic("invoices")' in str(failure.value)
            bus.publish("invoices", "mine")
            with pytest.raises(AssertionError, match="2 events came to invoices itself"):
                bus.expect("invoices", {"order": 9}, timeout=0)
    elsewhere.rollback()


def test_waiting_for_an_event_reads_each_record_once(
    elsewhere: TestBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []
    take = Reader._taken

    def noted(reader: Reader, messages: Iterable[Message]) -> list[FetchedRecord]:
        records = take(reader, messages)
        fetched.extend(record.offset for record in records)
        return records

    with ExternalBus(elsewhere.bootstrap_servers, "") as external, external.test() as bus:
        for number in range(50):
            bus.publish("many", number)
        monkeypatch.setattr(Reader, "_taken", noted)
        late = threading.Timer(0.3, bus.publish, ("many", "late"))
        late.start()
        try:
            assert bus.expect("many", "late").offset == 50
        finally:
            late.join()
    assert fetched == list(range(51))


def test_a_cluster_that_does_not_answer_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no Kafka answers at 127\.0\.0\.1:1"):
        ExternalBus("127.0.0.1:1", "")


@pytest.mark.parametrize("workers", [(), ("-p", "xdist.plugin", "-n", "2")], ids=["one", "xdist"])
def test_a_cluster_that_does_not_answer_fails_once(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    code = """
import pytest


@pytest.mark.parametrize("number", range(5))
def test_it(fakebus, number): pass
"""
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "fakebus.pytest_plugin", *workers),
        *("--fakebus-bootstrap", "127.0.0.1:1"),
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = (result.stdout.str() + result.stderr.str()).splitlines()
    (told,) = (line for line in errors if "no Kafka answers at" in line)
    assert told.startswith("ERROR: no Kafka answers at 127.0.0.1:1: ")
    assert "nothing listens on port 1" in told


def test_workers_cannot_share_the_names_of_a_cluster(
    pytester: pytest.Pytester, elsewhere: TestBus
) -> None:
    code = """
import pytest


def test_it(fakebus): pass


@pytest.mark.fakebus(isolation="namespace")
def test_beside(fakebus): pass
"""
    arguments = ("--fakebus-bootstrap", elsewhere.bootstrap_servers)
    arguments += ("--fakebus-isolation", "topics", "-p", "xdist.plugin", "-n", "2")
    output = run(pytester, code, *arguments, passed=1, errors=1)
    assert "run without -n, or with the isolation namespace" in output


def test_a_missing_client_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fakebus\[client\]"'):
        ExternalBus("127.0.0.1:1", "")
