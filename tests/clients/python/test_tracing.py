"""``fakebus up --otlp``: spans of ordinary clients, as a collector receives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests
from confluent_kafka import Consumer, Message, Producer
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import server_attributes

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from tests.collector import Collector, Received, collecting

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
NEW = {f"kafka.{name}" for name in ("cluster.id", "offset", "message.key", "message.tombstone")}
"""What came with version 1.45 of the conventions; the package for them may be older."""
KNOWN = {
    name
    for module in (messaging_attributes, server_attributes)
    for name in vars(module).values()
    if isinstance(name, str)
}
KNOWN |= NEW | {"messaging.system.name"}
"""Names of the conventions, as the package for them has them."""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextmanager
def traced_bus() -> Iterator[tuple[FakeBus, Collector]]:
    with collecting() as (url, collector):
        settings = Settings(data=None, kafka=ANY_PORT, http=ANY_PORT, otlp=f"{url}/v1/traces")
        with FakeBus.thread(settings) as bus:
            yield bus, collector


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[FakeBus, Collector]]:
    with traced_bus() as scene:
        yield scene


def produce(
    bus: FakeBus, topic: str, *headers: dict[str, str], client_id: str = "web", key: str = "key-%d"
) -> None:
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers, "client.id": client_id})
    for at, each in enumerate(headers):
        producer.produce(topic, b"{}", key.replace("%d", str(at)), headers=each, partition=0)
    assert producer.flush(60) == 0


def handle(
    bus: FakeBus, topic: str, group: str, count: int, work: Callable[[Message], object]
) -> None:
    """Read records for a group as a service does: work on each of them, and commit it."""
    consumer = Consumer(
        {
            "bootstrap.servers": bus.bootstrap_servers,
            "client.id": group,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    while count:
        message = consumer.poll(1)
        if message is not None and not message.error():
            work(message)
            consumer.commit(message, asynchronous=False)
            count -= 1
    consumer.close()


def by_name(spans: list[Received], trace: str) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for span in spans:
        if span.trace == trace:
            found.setdefault(span.name, []).append(span)
    return found


def test_a_record_with_a_traceparent_stays_in_its_trace_until_it_is_committed(
    scene: tuple[FakeBus, Collector],
) -> None:
    bus, collector = scene
    produce(bus, "orders", {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    handle(bus, "orders", "billing", 1, lambda _: None)
    collector.named("commit orders")
    spans = by_name(collector.spans, TRACE)
    (send,), (poll,) = spans["send orders"], spans["poll orders"]
    (process,), (commit,) = spans["process orders"], spans["commit orders"]
    assert [each.parent for each in (send, poll, process, commit)] == [
        PARENT,
        send.span,
        send.span,
        process.span,
    ]
    assert [each.kind for each in (send, poll, process, commit)] == [
        "PRODUCER",
        "CLIENT",
        "CONSUMER",
        "CLIENT",
    ]
    times = send.start, send.end, process.start, process.end
    assert sorted(each // 1_000_000 for each in times) == [each // 1_000_000 for each in times]
    assert process.end == commit.end
    # Jaeger says of what ends when it began that its duration is negative.
    assert all(each.start < each.end for each in collector.spans)
    told = {
        "messaging.system.name": "kafka",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "0",
        "kafka.offset": 0,
        "kafka.cluster.id": bus.broker.cluster_id,
        "server.address": "127.0.0.1",
        "server.port": int(bus.bootstrap_servers.rpartition(":")[2]),
    }
    assert collector.schemas == {"https://opentelemetry.io/schemas/1.45.0"}
    assert send.attributes == told | {
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.client.id": "web",
        "kafka.message.key": "key-0",
    }
    assert commit.attributes == told | {
        "messaging.operation.name": "commit",
        "messaging.operation.type": "settle",
        "messaging.client.id": "billing",
        "messaging.consumer.group.name": "billing",
    }
    types = {each.attributes["messaging.operation.type"] for each in (poll, process)}
    assert types == {"receive", "process"}
    given = {name for each in (send, poll, process, commit) for name in each.attributes}
    assert given - KNOWN == set()


@pytest.mark.parametrize("notes_are_late", [False, True])
def test_without_headers_the_trace_of_the_cause_goes_on(
    notes_are_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if notes_are_late:
        monkeypatch.setattr("fakebus.lineage.lineage._WRITE_S", 3600)
        monkeypatch.setattr("fakebus.tracing.follower._QUIET_S", 0.05)
    # Apart from the other tests, whose clients are of the same process.
    with traced_bus() as (bus, collector):
        produce(bus, "trips", {}, {})

        def price(message: Message) -> None:
            produce(bus, "fares", {}, client_id="fares", key=message.key().decode())

        handle(bus, "trips", "fares", 2, price)
        sends = collector.named("send fares", 2)
        collector.named("commit trips", 2)
        assert (
            "fakebus_otlp_spans_total" in requests.get(f"{bus.http_url}/metrics", timeout=60).text
        )
    causes = [each for each in collector.spans if each.name == "send trips"]
    for number, (cause, effect) in enumerate(zip(causes, sends, strict=True)):
        (process,) = by_name(collector.spans, cause.trace)["process trips"]
        assert cause.parent == ""
        assert (effect.trace, effect.parent) == (cause.trace, process.span)
        assert effect.attributes["kafka.offset"] == number
        assert effect.attributes["fakebus.evidence"] == "observed"


def test_an_instrumented_client_has_its_spans_and_ours_in_one_trace(
    scene: tuple[FakeBus, Collector],
) -> None:
    bus, collector = scene
    provider = TracerProvider(shutdown_on_exit=False)
    producer = ConfluentKafkaInstrumentor.instrument_producer(
        Producer({"bootstrap.servers": bus.bootstrap_servers}), provider
    )
    with provider.get_tracer("shop").start_as_current_span("POST /orders") as request:
        producer.produce("baskets", b"{}")
    producer.flush(60)
    (send,) = collector.named("send baskets")
    assert send.trace == f"{request.get_span_context().trace_id:032x}"
    assert send.parent not in ("", f"{request.get_span_context().span_id:016x}")


def test_a_trace_that_is_not_sampled_sends_no_spans(scene: tuple[FakeBus, Collector]) -> None:
    bus, collector = scene
    unsampled = "1" * 32
    produce(bus, "quiet", {"traceparent": f"00-{unsampled}-{PARENT}-00"}, {})
    collector.named("send quiet")
    assert unsampled not in {each.trace for each in collector.spans}
