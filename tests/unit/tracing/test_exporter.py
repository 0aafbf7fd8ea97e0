"""The exporter of spans: nobody waits for a collector, and what is lost is counted."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from fakebus.app import FakeBus
from fakebus.broker.activity import Activity, Origin
from fakebus.config import Settings
from fakebus.errors import ConfigError, MissingExtraError
from fakebus.tracing import exporter as module
from fakebus.tracing.exporter import Exporter
from fakebus.tracing.spans import Context, Span, attributes_of, child_of
from tests.collector import collecting

ORIGIN = Origin(front_end="test", client_id="web")
ACTIVITY = Activity("produced", 1000, ORIGIN, "orders", 0, 0, 0)
NOWHERE = Context(0, 0)


def span(number: int, trace_id: int = 0) -> Span:
    context = child_of(Context(trace_id or number + 1, 0), number)
    told = attributes_of("send", ACTIVITY, number)
    return Span("send", "orders", "shop", context, NOWHERE, 1000, 1001, told)


async def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    monkeypatch.setattr(module.Exporter, "_run", lambda self: None)
    exporter = Exporter("http://127.0.0.1:1/v1/traces")
    for number in range(5):
        exporter.put(span(number))
    assert exporter.room() == 0
    assert exporter.counts["dropped"] == 3
    await exporter.close()
    assert exporter.counts["dropped"] == 5


async def test_closing_does_not_wait_for_a_collector_that_never_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_LAST_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        exporter = Exporter(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces")
        exporter.put(span(1))
        await exporter.close()
        assert exporter._thread.is_alive()
        assert exporter._thread.daemon
        assert exporter.counts["exported"] == 0


async def test_what_waits_is_sent_when_the_bus_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAST_S", 60)
    with collecting() as (url, collector):
        exporter = Exporter(f"{url}/v1/traces")
        for number in range(600):
            exporter.put(span(number))
        await exporter.close()
        assert len(collector.wait(lambda spans: len(spans) == 600)) == 600
        assert collector.paths == {"/v1/traces"}
        assert exporter.counts == {"exported": 600, "dropped": 0, "failed": 0}


async def test_a_span_that_ends_when_it_began_has_a_duration() -> None:
    with collecting() as (url, collector):
        exporter = Exporter(f"{url}/v1/traces")
        exporter.put(span(1)._replace(end_ms=1000))
        (told,) = collector.named("send orders")
        await exporter.close()
    assert told.start == 1_000_000_000 < told.end < 1_001_000_000


async def test_variables_of_opentelemetry_say_where_spans_go_and_with_what(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collecting() as (url, collector):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=bus")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        exporter = Exporter()
        exporter.put(span(1))
        collector.named("send orders")
        await exporter.close()
        assert collector.paths == {"/v1/traces"}
        assert collector.headers[0]["x-team"] == "bus"
        assert collector.headers[0]["Content-Encoding"] == "gzip"


async def test_a_sampler_keeps_or_leaves_out_whole_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    monkeypatch.setattr(module, "_LAST_S", 60)
    low, high = 5, (1 << 128) - 5
    with collecting() as (url, collector):
        exporter = Exporter(f"{url}/v1/traces")
        for trace_id in (high, low):
            parent = Context(trace_id, 7, None)
            exporter.put(span(1, trace_id))
            exporter.put(span(2, trace_id)._replace(parent=parent))
        await exporter.close()
        spans = collector.wait(lambda spans: len(spans) >= 2)
    assert {each.trace for each in spans} == {f"{low:032x}"}


async def test_a_collector_that_is_gone_is_told_once_and_not_by_the_sdk(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.01")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"
    exporter = Exporter(url)
    failed = asyncio.Event()
    loop, send = asyncio.get_running_loop(), exporter._send

    def sending(spans: list[Span]) -> None:
        send(spans)
        loop.call_soon_threadsafe(failed.set)

    monkeypatch.setattr(exporter, "_send", sending)
    for number in range(2):
        failed.clear()
        exporter.put(span(number))
        await failed.wait()
    await exporter.close()
    assert exporter.counts["failed"] == 2
    told = [each.name for each in caplog.records if each.levelno >= logging.WARNING]
    assert told == ["fakebus.tracing"]


async def test_spans_are_sent_after_an_export_that_raised(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = Exporter("http://127.0.0.1:1/v1/traces")
    sent = asyncio.Event()
    loop = asyncio.get_running_loop()
    answers = iter([ConnectionResetError("reset"), SpanExportResult.SUCCESS])

    def export(spans: object) -> SpanExportResult:
        answer = next(answers)
        loop.call_soon_threadsafe(sent.set)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(exporter._exporter, "export", export)
    for number in range(2):
        sent.clear()
        exporter.put(span(number))
        await sent.wait()
    await exporter.close()
    assert exporter.counts == {"exported": 1, "failed": 1, "dropped": 0}
    assert "did not take 1 spans: reset" in caplog.text


def test_variables_that_make_no_sense_are_an_error_of_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")
    with pytest.raises(ConfigError, match="OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"):
        Exporter("http://127.0.0.1:1/v1/traces")


@pytest.fixture
def no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fakebus.tracing.exporter")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)


async def test_without_the_extra_a_named_collector_is_an_error_that_names_it(no_sdk: None) -> None:
    bus = FakeBus(Settings(data=None, kafka=(), http=(), otlp="http://127.0.0.1:1/v1/traces"))
    with pytest.raises(MissingExtraError, match=r'pip install "fakebus\[otel\]"'):
        async with bus:
            pass


async def test_without_the_extra_a_variable_for_all_services_is_only_told(
    no_sdk: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeBus(Settings(data=None, kafka=(), http=(), otlp="")) as bus:
        assert bus.tracing is None
    assert "fakebus[otel]" in caplog.text
