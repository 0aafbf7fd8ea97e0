"""Collector of OpenTelemetry's spans, which reads them by the official protobuf classes."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_WAIT_S = 60.0
_KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


class Received(NamedTuple):
    """Span that has arrived."""

    service: str
    name: str
    kind: str
    trace: str
    span: str
    parent: str
    start: int
    end: int
    attributes: dict[str, str | int | bool]
    links: list[str]

    @property
    def place(self) -> tuple[object, ...]:
        names = "messaging.destination.name", "messaging.destination.partition.id", "kafka.offset"
        return tuple(self.attributes[name] for name in names)


class Collector:
    """Collector that keeps all."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.headers: list[dict[str, str]] = []
        self.paths: set[str] = set()
        self.schemas: set[str] = set()
        """By which versions of the conventions attributes are named."""
        self._changed = threading.Condition()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.paths.add(path)
            self.headers.append(headers)
            for of_service in request.resource_spans:
                service = _plain(of_service.resource.attributes)["service.name"]
                for scope in of_service.scope_spans:
                    self.schemas.add(scope.schema_url)
                    self.spans += (_received(str(service), span) for span in scope.spans)
            self._changed.notify_all()

    def wait(self, enough: Callable[[list[Received]], bool]) -> list[Received]:
        """Return what has arrived as soon as it is enough."""
        until = time.monotonic() + _WAIT_S
        with self._changed:
            while not enough(self.spans):
                left = until - time.monotonic()
                assert left > 0, [(each.service, each.name) for each in self.spans[:50]]
                self._changed.wait(left)
            return list(self.spans)

    def named(self, name: str, count: int = 1) -> list[Received]:
        """Return the spans of a name as soon as there are so many."""
        found = self.wait(lambda spans: sum(each.name == name for each in spans) >= count)
        return [each for each in found if each.name == name]


def _plain(attributes: Any) -> dict[str, str | int | bool]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def _received(service: str, span: Any) -> Received:
    return Received(
        service,
        span.name,
        _KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _plain(span.attributes),
        [link.trace_id.hex() for link in span.links],
    )


@contextmanager
def collecting() -> Iterator[tuple[str, Collector]]:
    """Yield the URL of a collector, and it."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, dict(self.headers), body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
