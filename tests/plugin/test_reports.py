"""What a test's report shows when something is wrong: the texts that help, and nothing of ours."""

from __future__ import annotations

import pytest

from tests.plugin.test_plugin import few_plugins, run

__all__ = ["few_plugins"]


def test_a_helper_that_fails_is_reported_where_the_test_calls_it(
    pytester: pytest.Pytester,
) -> None:
    code = """
import pytest


def test_assertion(fakebus):
    fakebus.expect("orders", timeout=0)


@pytest.mark.asyncio
async def test_assertion_in_a_coroutine(fakebus):
    await fakebus.aio.expect("orders", timeout=0)


def test_error(fakebus):
    fakebus.publish("or ders", "x")
"""
    output = run(pytester, code, "-p", "pytest_asyncio.plugin", failed=3)
    assert "the topic name 'or ders' holds something else" in output
    for ours in ("calling.py", "observer.py", "concurrent/futures", "scoped_bus.py"):
        assert ours not in output


def test_what_a_user_has_to_mend_is_told_without_a_traceback(pytester: pytest.Pytester) -> None:
    code = """
import pytest


@pytest.mark.fakebus(set={"num.partitionz": 2})
def test_config(fakebus): pass


@pytest.mark.fakebus(fixtures="nowhere")
def test_fixtures(fakebus): pass


@pytest.mark.fakebus(partitions="three")
def test_partitions(fakebus): pass


@pytest.mark.fakebus(partitions=0)
def test_no_partitions(fakebus): pass


@pytest.mark.fakebus(partitions=10**9)
def test_many_partitions(fakebus): pass


@pytest.mark.fakebus(partitions=1.5)
def test_half_a_partition(fakebus): pass


@pytest.mark.fakebus(set=["a=b"])
def test_set(fakebus): pass


@pytest.mark.fakebus(needs=3)
def test_needs(fakebus): pass
"""
    output = run(pytester, code, errors=8)
    assert "there is no broker config 'num.partitionz'; did you mean num.partitions?" in output
    assert "create it with a file fakebus.yaml" in output
    assert "partitions is a whole number from 1 to 10000, not 'three'" in output
    assert "partitions is a whole number from 1 to 10000, not 0" in output
    assert "set is a dictionary of broker configs, not ['a=b']" in output
    assert "needs is a text or a list of texts, not 3" in output
    assert "pytest_plugin.py" not in output


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("fakebus_isolation = undo", "isolation is one of rollback"),
        ("fakebus_partitions = many", "partitions is a whole number from 1 to 10000, not 'many'"),
        ("fakebus_brokers = 0", "brokers is a whole number from 1 to 20, not '0'"),
        ("fakebus_brokers = 21", "brokers is a whole number from 1 to 20, not '21'"),
        ("fakebus_set = num.partitions", "num.partitions"),
    ],
)
def test_a_mistake_in_the_ini_file_is_told_without_a_traceback(
    pytester: pytest.Pytester, line: str, says: str
) -> None:
    pytester.makeini(f"[pytest]\n{line}\n")
    output = run(pytester, "\ndef test_it(fakebus): pass\n", errors=1)
    assert says in output
    assert "pytest_plugin.py" not in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--fakebus-bootstrap", ""), "--fakebus-bootstrap is empty"),
        (("--fakebus-fixtures", ""), "--fakebus-fixtures is empty"),
        (("--fakebus-service", ""), "--fakebus-service is empty"),
        (("--fakebus-registry", "http://127.0.0.1:1"), "name that, too"),
    ],
)
def test_options_without_effect_are_refused(
    pytester: pytest.Pytester, arguments: tuple[str, ...], says: str
) -> None:
    plugins = ("fakebus.pytest_plugin", "fakebus.contract_plugin")
    with pytest.raises(pytest.UsageError, match=says):
        pytester.parseconfigure(*(word for each in plugins for word in ("-p", each)), *arguments)


def test_what_others_have_written_cannot_forge_a_line_of_a_report(
    pytester: pytest.Pytester,
) -> None:
    code = """
HOSTILE = "\\x1b[31mred\\nFORGED\\u202e"


def test_event(fakebus):
    fakebus.publish("orders", {"id": HOSTILE}, key=HOSTILE, headers={HOSTILE: HOSTILE})
    fakebus.expect("orders", {"id": 1}, key="a", headers={HOSTILE: "1"}, timeout=0)


def test_group(fakebus):
    from confluent_kafka import Consumer

    config = {"bootstrap.servers": fakebus.bootstrap_servers, "auto.offset.reset": "earliest"}
    consumer = Consumer({**config, "group.id": "billing", "client.id": HOSTILE})
    fakebus.publish("orders", HOSTILE, key=HOSTILE)
    consumer.subscribe(["orders"])
    assert consumer.poll(60)
    try:
        fakebus.wait_for_group("billing", timeout=0)
    finally:
        consumer.close()


def test_error(fakebus):
    fakebus.publish(HOSTILE, "x")
"""
    output = run(pytester, code, failed=3)
    assert "key is \\x1b[31mred\\nFORGED\\u202e, not a" in output
    assert "header \\x1b[31mred\\nFORGED\\u202e is " in output
    assert "members: \\x1b[31mred\\nFORGED\\u202e" in output
    assert "committed by \\x1b[31mred\\nFORGED\\u202e for group billing" in output
    for line in output.split("\n"):
        assert line.isprintable()
        assert not line.lstrip("E ").startswith("FORGED")


def test_a_fixture_that_fails_shows_what_happened_on_the_bus_until_then(
    pytester: pytest.Pytester,
) -> None:
    code = """
import pytest


@pytest.fixture
def invoice(fakebus):
    fakebus.publish("orders", {"id": 7})
    return fakebus.expect("invoices", timeout=0)


def test_it(invoice): pass
"""
    output = run(pytester, code, errors=1)
    timeline = output.partition("- fakebus timeline -")[2]
    assert 'orders[0]@0  value={"id": 7}  produced by the test' in timeline


def test_what_is_asynchronous_and_not_run_names_what_runs_it(pytester: pytest.Pytester) -> None:
    code = """
import pytest


async def test_coroutine(fakebus): pass


@pytest.fixture
async def service(fakebus):
    yield


def test_fixture(service): pass


async def test_of_another_kind(): pass
"""
    output = run(pytester, code, failed=2, errors=1)
    extra = 'run  pip install "fakebus[pytest-asyncio]"  and mark it @pytest.mark.asyncio'
    assert f"test_coroutine is asynchronous, and no plugin runs it: {extra}" in output
    assert f"service is asynchronous, and no plugin runs it: {extra}" in output
    reports = output.partition("short test summary")[0]
    assert reports.count("no plugin runs it") == 2
    output = run(pytester, code, "-p", "pytest_asyncio.plugin", failed=2, errors=1)
    assert "test_coroutine is asynchronous, and no plugin runs it: mark it @pytest" in output
    run(pytester, code, "-p", "pytest_asyncio.plugin", "--asyncio-mode=auto", passed=3)


def test_a_helper_that_blocks_the_loop_it_waits_for_says_so(pytester: pytest.Pytester) -> None:
    code = """
import asyncio
import pytest


@pytest.mark.asyncio
async def test_it(fakebus):
    service = asyncio.ensure_future(fakebus.aio.publish("orders", "x"))
    fakebus.expect("orders", timeout=0.1)
"""
    output = run(pytester, code, "-p", "pytest_asyncio.plugin", failed=1)
    assert "await the method of the same name in .aio instead" in output


def test_consumers_that_live_across_tests_are_named_when_one_fails(
    pytester: pytest.Pytester,
) -> None:
    code = """
import pytest


@pytest.fixture(scope="session")
def service(fakebus_addresses):
    consumer = Consumer({
        "bootstrap.servers": fakebus_addresses.bootstrap_servers,
        "group.id": "billing",
        "client.id": "billing-1",
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe(["orders"])
    yield consumer
    consumer.close()


@pytest.mark.fakebus(isolation=ISOLATION)
@pytest.mark.parametrize("turn", [1, 2])
def test_it(service, fakebus, turn):
    fakebus.publish("orders", f"{turn}")
    if turn == 1:
        while service.poll(0.1) is None:
            pass
    assert fakebus.expelled == (("billing-1 of group billing",) if ROLLS_BACK and turn == 2 else ())
    assert turn == 1
"""
    rolled = code.replace("ISOLATION", '"rollback"').replace("ROLLS_BACK", "True")
    output = run(pytester, rolled, passed=1, failed=1)
    section = output.partition("- fakebus consumers of earlier tests -")[2]
    assert "billing-1 of group billing" in section
    assert '@pytest.mark.fakebus(isolation="advance")' in section
    advanced = code.replace("ISOLATION", '"advance"').replace("ROLLS_BACK", "False")
    output = run(pytester, advanced, passed=1, failed=1)
    assert "consumers of earlier tests" not in output
