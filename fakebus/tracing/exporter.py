"""Exporter of spans to a collector, in a thread of its own, by OpenTelemetry's SDK.

Nobody waits for it: what does not fit into the queue is dropped and counted, and a collector that
does not answer keeps neither a client waiting nor the bus from ending.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from fakebus import __version__
from fakebus.errors import ConfigError, MissingExtraError
from fakebus.escaping import shortened
from fakebus.limited_log import LimitedLog
from fakebus.tracing.spans import CONVENTIONS, OPERATIONS, Context, Span

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Decision
except ModuleNotFoundError:
    raise MissingExtraError("OTLP", "otel") from None

logger = logging.getLogger("fakebus.tracing")

MOST_WAITING = 20_000
"""Spans that wait to be sent."""
_AT_ONCE = 512
_EVERY_S = 0.5
_LAST_S = 0.5
"""How long the last spans may take when the bus ends."""
_LEAST_NS = 1_000
"""Added to each end: of a span without a duration Jaeger says that it is negative."""
_MOST_SERVICES = 200
_THREAD = "fakebus-otlp"
_NO_CONTEXT = trace.set_span_in_context(trace.INVALID_SPAN)


class Exporter:
    """Exporter of spans.

    Args:
        url: where the collector takes traces; empty for what OTEL_EXPORTER_OTLP_… say.

    Raises:
        ConfigError: what those variables say cannot be used.
    """

    def __init__(self, url: str = "") -> None:
        self.counts = Counter(exported=0, dropped=0, failed=0)
        """How many spans were sent, dropped since too many waited, or not taken."""
        self._waiting: deque[Span] = deque()
        self._woken = threading.Event()
        self._closing = False
        self._log = LimitedLog(logger, 1)
        # Without a user's name and password.
        address = urlsplit(url).netloc.rpartition("@")[2]
        self._collector = f"the collector at {address or 'OTEL_EXPORTER_OTLP_ENDPOINT'}"
        try:
            self._maker = _SpanMaker()
            self._exporter = OTLPSpanExporter(endpoint=url or None)
        except (OSError, ValueError) as error:
            raise ConfigError(f"OpenTelemetry's variables: {error}") from error
        # The SDK tells each attempt that fails; once a minute is enough.
        logging.getLogger(OTLPSpanExporter.__module__).addFilter(_is_not_ours)
        self._thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)
        self._thread.start()

    def room(self) -> int:
        """Return how many spans can wait now."""
        return MOST_WAITING - len(self._waiting)

    def drop(self, count: int) -> None:
        """Count spans that there is no room for."""
        if count:
            self.counts["dropped"] += count
            self._log.warning("%d spans were dropped: more come than can be sent", count)

    def put(self, span: Span) -> None:
        """Have a span sent, if there is room for it."""
        if self.room() <= 0:
            self.drop(1)
            return
        self._waiting.append(span)
        if len(self._waiting) >= _AT_ONCE:
            self._woken.set()

    async def close(self) -> None:
        """Send what waits, as far as that is soon done."""
        self._closing = True
        self._woken.set()
        await asyncio.to_thread(self._thread.join, _LAST_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
        left = len(self._waiting)
        if left:
            self.counts["dropped"] += left
            logger.warning("%d spans were not sent when the bus ended", left)

    def _run(self) -> None:
        while self._waiting or not self._closing:
            self._woken.wait(_EVERY_S)
            self._woken.clear()
            while self._waiting:
                count = min(len(self._waiting), _AT_ONCE)
                spans = [self._waiting.popleft() for _ in range(count)]
                self._send(spans)

    def _send(self, spans: Sequence[Span]) -> None:
        made = self._maker.made(spans)
        if not made:
            return
        problem = ""
        try:
            taken = self._exporter.export(made) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - older SDKs raise what their HTTP client does
            taken, problem = False, f": {error}"
        if taken:
            self.counts["exported"] += len(made)
            return
        self.counts["failed"] += len(made)
        if not self._closing:
            self._log.warning(
                "%s did not take %d spans%s", self._collector, len(made), shortened(problem)
            )


def _is_not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != _THREAD


class _Ids(IdGenerator):
    """Ids of the next span."""

    context = Context(0, 0)

    def generate_trace_id(self) -> int:
        return self.context.trace_id

    def generate_span_id(self) -> int:
        return self.context.span_id


class _SpanMaker(SpanProcessor):
    """Maker of the SDK's spans, which hold to the sampler and the limits that OTEL_… set."""

    def __init__(self) -> None:
        self._ids = _Ids()
        self._tracers: dict[str, trace.Tracer] = {}
        self._made: list[ReadableSpan] = []
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler

    def made(self, spans: Sequence[Span]) -> list[ReadableSpan]:
        """Return spans as the SDK has them, without those that are not sampled."""
        for span in spans:
            self._make(span)
        made, self._made = self._made, []
        return made

    def on_end(self, span: ReadableSpan) -> None:
        self._made.append(span)

    def _make(self, span: Span) -> None:
        self._ids.context = span.context
        tracer, parent, operation = self._tracer(span.service), span.parent, span.operation
        begun = tracer.start_span(
            f"{operation} {span.topic}",
            context=trace.set_span_in_context(self._remote(parent))
            if parent.span_id
            else _NO_CONTEXT,
            kind=trace.SpanKind[OPERATIONS[operation][1]],
            attributes=span.attributes,
            links=[trace.Link(self._remote(link).get_span_context()) for link in span.links],
            start_time=span.start_ms * 1_000_000,
        )
        begun.end(span.end_ms * 1_000_000 + _LEAST_NS)

    def _tracer(self, service: str) -> trace.Tracer:
        if service not in self._tracers:
            if len(self._tracers) >= _MOST_SERVICES:
                self._tracers.clear()
            provider = TracerProvider(
                resource=Resource.create({SERVICE_NAME: service}),
                id_generator=self._ids,
                shutdown_on_exit=False,
            )
            provider.add_span_processor(self)
            self._tracers[service] = provider.get_tracer(
                "fakebus", __version__, schema_url=CONVENTIONS
            )
        return self._tracers[service]

    def _remote(self, context: Context) -> trace.Span:
        is_sampled = context.is_sampled
        if is_sampled is None:
            found = self._sampler.should_sample(None, context.trace_id, "")
            is_sampled = found.decision is Decision.RECORD_AND_SAMPLE
        flags = trace.TraceFlags(is_sampled)
        ids = context.trace_id, context.span_id
        return trace.NonRecordingSpan(trace.SpanContext(*ids, is_remote=True, trace_flags=flags))
