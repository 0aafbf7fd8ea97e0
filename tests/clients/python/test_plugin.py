"""The pytest plugin on a Kafka and a schema registry that run already."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.clients.cluster import Cluster
from tests.clients.python.client import wait_until

pytestmark = [pytest.mark.clients, pytest.mark.slow]

FILES = {
    "fakebus.yaml": (
        "version: 1\nsubjects:\n"
        "  - {subject: orders-value, schema: order.avsc, compatibility: FULL}\n"
        "topics:\n  - name: orders\n    partitions: 2\n    value: {subject: orders-value}\n"
        "    load: orders.ndjson\n"
        'groups: [{group: billing, offsets: {orders: {"*": earliest}}}]\n'
    ),
    "order.avsc": '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}',
    "orders.ndjson": '{"key": "a", "value": {"id": 1}}\n{"key": "b", "value": {"id": 2}}\n',
}
CODE = """
import pytest
from confluent_kafka import DeserializingConsumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, StringDeserializer

WIDER = {"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "int"}, {"name": "note", "type": "string", "default": ""}]}
BREAKING = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}


def test_a_service_reads_the_fixtures_and_writes(fakebus):
    registry = SchemaRegistryClient({"url": fakebus.schema_registry_url})
    topic = fakebus.topic("orders")
    consumer = DeserializingConsumer({
        "bootstrap.servers": fakebus.bootstrap_servers,
        "group.id": fakebus.group("billing"),
        "enable.auto.commit": False,
        "auto.offset.reset": "latest",
        "key.deserializer": StringDeserializer(),
        "value.deserializer": AvroDeserializer(registry),
    })
    consumer.subscribe([topic])
    found = {}
    while len(found) < 2:
        message = consumer.poll(60)
        found[message.key()] = message.value()
    assert found == {"a": {"id": 1}, "b": {"id": 2}}
    consumer.commit(asynchronous=False)
    fakebus.wait_for_group("billing")
    serializer = AvroSerializer(registry, conf={
        "auto.register.schemas": False, "use.latest.version": True,
    })
    written = serializer({"id": 3}, SerializationContext(topic, MessageField.VALUE))
    fakebus.publish("orders", written, key="c")
    assert fakebus.expect("orders", {"id": 3}).data == {"id": 3}
    fakebus.publish_event("orders", {"id": 4})
    assert [event.data["id"] for event in fakebus.emitted()] == [3, 4]
    consumer.close()


async def test_coroutines_do_the_same(fakebus):
    await fakebus.aio.publish_event("payments", {"id": 5, "note": "x"}, schema=WIDER)
    event = await fakebus.aio.expect("payments", {"note": "x"})
    assert event.data == {"id": 5, "note": "x"}


def test_schemas_are_compared_where_they_are(fakebus):
    subject = fakebus.topic("orders") + "-value"
    fakebus.assert_schema_compatible(subject, WIDER)
    with pytest.raises(AssertionError, match="is not compatible with .*orders-value under FULL"):
        fakebus.assert_schema_compatible(subject, BREAKING)
    with pytest.raises(AssertionError, match="the data does not fit the schema"):
        fakebus.publish_event("orders", {"id": "x"})
    with pytest.raises(AssertionError, match="there is no subject .*nothing-value"):
        fakebus.publish_event("nothing", {"id": 1})
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that runs the tests with options; all of them have to pass."""
    # Loading all the plugins that are installed takes longer than the tests.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name, text in FILES.items():
        path = pytester.path / "fixtures" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    ini = "asyncio_mode = auto\nfakebus_fixtures = fixtures\nfakebus_http = true\n"
    pytester.makeini(f"[pytest]\n{ini}")
    pytester.makepyfile(CODE)

    def run(*options: str) -> None:
        plugins = ("fakebus.pytest_plugin", "pytest_asyncio.plugin")
        loaded = [argument for plugin in plugins for argument in ("-p", plugin)]
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *loaded, *options)
        result.assert_outcomes(passed=3)

    return run


def test_the_same_tests_pass_on_a_cluster_and_leave_nothing_there(
    coordinated_cluster: Cluster, registry_url: str, session: Callable[..., None]
) -> None:
    servers = coordinated_cluster.bootstrap_servers
    session("--fakebus-bootstrap", servers, "--fakebus-registry", registry_url)
    admin = AdminClient({"bootstrap.servers": servers})

    def left() -> list[str]:
        return [name for name in admin.list_topics(timeout=60).topics if name.startswith("test-")]

    wait_until(lambda: left() == [], "the topics of the tests are gone")
    assert SchemaRegistryClient({"url": registry_url}).get_subjects() == []


@pytest.mark.parametrize("isolation", ["rollback", "namespace"])
def test_the_same_tests_pass_on_a_bus_of_their_own(
    session: Callable[..., None], isolation: str
) -> None:
    session("--fakebus-isolation", isolation)
