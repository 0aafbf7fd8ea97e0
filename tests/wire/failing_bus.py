"""A bus in this process whose storage fails when it is told to, and all that its clients see."""

from __future__ import annotations

import http.client
import json
import shutil
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import redis

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.errors import StorageError
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.schema import StructSchema, api_schema
from fakebus.protocol.struct_classes import Struct, struct_class
from tests.wire.client import RawClient

CONFIGS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:alice",
    "delegation.token.secret.key": "a secret",
    "sasl.enabled.mechanisms": "PLAIN",
    "fakebus.sasl.users": "alice:secret",
    "group.min.session.timeout.ms": "10",
    "group.initial.rebalance.delay.ms": "0",
}
FAILURE = "the disk is full, as the test wants it"
_NOTED = ("notes", "lineage_names", "lineage_clients", "identities", "identity_positions")
_TOKEN = "0" * 64
"""Of a form, and of the browser that sends it."""
_MOMENTS = ("timestamp", "time", "ms", "epoch_ms", "age", "idle", "inactive", "throttle")


class FailingBus:
    """Bus on a data file, with one connection of each kind.

    Args:
        running: the bus.
        path: of its data file.
    """

    def __init__(self, running: BusThread[FakeBus], path: Path) -> None:
        self.running = running
        self.path = path
        self.bus = running.bus
        plain, sasl = (str(address) for address in self.bus.kafka_addresses)
        self.kafka = RawClient(plain)
        self.alice = RawClient(sasl)
        self.ask("SASL_HANDSHAKE", 1, {"mechanism": "PLAIN"}, self.alice)
        self.ask("SASL_AUTHENTICATE", 2, {"auth_bytes": b"\0alice\0secret"}, self.alice)
        self._web = http.client.HTTPConnection(
            self.bus.http_url.removeprefix("http://"), timeout=60
        )
        self.redis = redis.Redis.from_url(self.bus.redis_urls[0], socket_timeout=60, retry=None)

    def close(self) -> None:
        """Let go of the connections."""
        self.kafka.socket.close()
        self.alice.socket.close()
        self._web.close()
        self.redis.close()

    def ask(
        self, api: str, version: int, fields: dict[str, Any], client: RawClient | None = None
    ) -> dict[str, Any]:
        """Return the answer to a request, both as plain values."""
        key = ApiKey[api]
        schema = api_schema(int(key))
        assert schema is not None
        request = _built(schema.request.root, fields)
        answer = _plain((client or self.kafka).call(key, version, request))
        assert isinstance(answer, dict)
        return answer

    def http(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request by HTTP, or ``(status, answer)`` of a refusal."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        try:
            answer = self._http(method, path, data, headers)
        except (http.client.RemoteDisconnected, ConnectionError):
            # Whoever asks nothing for long is let go.
            self._web.close()
            answer = self._http(method, path, data, headers)
        text = answer.read()
        if answer.status >= 400:
            return answer.status, text.decode()
        return json.loads(text) if text else None

    def _http(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        self._web.request(method, path, data, headers)
        return self._web.getresponse()

    def console(self, path: str, form: dict[str, str]) -> Any:
        """Send a form of the console; return its status, and the page if it was refused."""
        sent = urllib.parse.urlencode({**form, "token": _TOKEN}).encode()
        headers = {"Cookie": f"fakebus_form={_TOKEN}"}
        url = f"{self.bus.http_url}/ui{path}"
        request = urllib.request.Request(url, sent, headers)  # noqa: S310 - its own address
        try:
            with urllib.request.build_opener(_Staying).open(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            with refused:
                status = refused.code
                return status if status == 303 else (status, refused.read().decode())

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let every write fail that somebody waits for."""
        writes: Any = self.bus.broker._storage.writes
        writes.refusal = lambda: StorageError(FAILURE)
        try:
            yield
        finally:
            writes.refusal = None

    def stored(self) -> dict[str, list[Any]]:
        """Return the rows of the data file by their tables, without what is noted of clients."""
        with closing(sqlite3.connect(self.path)) as source:
            names = source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return {
                name: source.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608 - its own
                for (name,) in names
                if name not in _NOTED
            }

    def copied(self, path: Path) -> Path:
        """Write the data file as it is now to another place."""
        with sqlite3.connect(self.path) as source, sqlite3.connect(path) as copy:
            source.backup(copy)
        return path

    def seen(self) -> dict[str, Any]:
        """Return all that clients see of what is stored."""
        topics = {
            each["name"]: each
            for each in self.ask("METADATA", 12, {"topics": None})["topics"]
            if not each["name"].startswith("__")
        }
        for name, topic in topics.items():
            topic["partitions"].sort(key=lambda each: each["partition_index"])
            topic["logs"] = [self._log(name, number) for number in range(len(topic["partitions"]))]
        groups = self.ask("LIST_GROUPS", 5, {})["groups"]
        groups.sort(key=lambda each: str(each["group_id"]))
        names = [each["group_id"] for each in groups]
        tokens = self.ask("DESCRIBE_DELEGATION_TOKEN", 3, {"owners": None}, self.alice)
        return {
            "topics": topics,
            "groups": groups,
            "offsets": self.ask(
                "OFFSET_FETCH",
                8,
                {"groups": [{"group_id": name, "topics": None} for name in names]},
            ),
            "share offsets": [
                self.ask(
                    "DESCRIBE_SHARE_GROUP_OFFSETS",
                    0,
                    {"groups": [{"group_id": each["group_id"], "topics": None}]},
                )
                for each in groups
                if each["group_type"] == "share"
            ],
            "configs": [self._configs(kind, name) for kind, name in self._resources(topics)],
            "resources": self.ask("LIST_CONFIG_RESOURCES", 1, {}),
            "ACLs": self.ask(
                "DESCRIBE_ACLS",
                3,
                {
                    **{f"{name}_filter": None for name in ("resource_name", "principal", "host")},
                    "resource_type_filter": 1,
                    "pattern_type_filter": 1,
                    "operation": 1,
                    "permission_type": 1,
                },
            ),
            "users": self.ask("DESCRIBE_USER_SCRAM_CREDENTIALS", 0, {"users": None}),
            "quotas": self.ask("DESCRIBE_CLIENT_QUOTAS", 1, {"components": [], "strict": False}),
            "tokens": sorted(tokens["tokens"], key=lambda each: str(each["token_id"])),
            "transactions": self.ask("LIST_TRANSACTIONS", 1, {"duration_filter": -1}),
            "features": self.ask(
                "API_VERSIONS", 3, {"client_software_name": "a", "client_software_version": "1"}
            )["finalized_features"],
            "reassignments": self.ask("LIST_PARTITION_REASSIGNMENTS", 0, {"topics": None}),
            "registry": {path: self.http("GET", path) for path in _REGISTRY},
            "snapshots": self.http("GET", "/_fakebus/v1/snapshots"),
            "faults": self.http("GET", "/_fakebus/v1/faults"),
            "services": self.http("GET", "/_fakebus/v1/services"),
            "streams": {
                name: self._stream(name) for name in ("stream",) if self.redis.exists(name)
            },
        }

    def _log(self, topic: str, number: int) -> dict[str, Any]:
        def listed(timestamp: int) -> Any:
            partition = {"partition_index": number, "timestamp": timestamp}
            fields = {"replica_id": -1, "topics": [{"name": topic, "partitions": [partition]}]}
            return self.ask("LIST_OFFSETS", 7, fields)["topics"][0]["partitions"][0]["offset"]

        start = listed(-2)
        place = {"partition": number, "fetch_offset": start, "partition_max_bytes": 10_000_000}
        fetched = [
            self.ask(
                "FETCH",
                12,
                {
                    "max_wait_ms": 0,
                    "isolation_level": isolation,
                    "topics": [{"topic": topic, "partitions": [place]}],
                },
            )["responses"][0]["partitions"][0]
            for isolation in (0, 1)
        ]
        partitions = [{"name": topic, "partition_indexes": [number]}]
        producers = self.ask("DESCRIBE_PRODUCERS", 0, {"topics": partitions})
        found = producers["topics"][0]["partitions"][0]
        found["active_producers"].sort(key=lambda each: each["producer_id"])
        return {"start": start, "end": listed(-1), "fetched": fetched, "producers": found}

    def _resources(self, topics: dict[str, Any]) -> list[tuple[int, str]]:
        named = (
            (each["resource_type"], each["resource_name"])
            for each in self.ask("LIST_CONFIG_RESOURCES", 1, {})["config_resources"]
        )
        return [
            *((2, name) for name in topics),
            (4, "1"),
            (4, ""),
            *((k, n) for k, n in named if k > 8),
        ]

    def _configs(self, kind: int, name: str) -> Any:
        wanted = {"resource_type": kind, "resource_name": name, "configuration_keys": None}
        (result,) = self.ask("DESCRIBE_CONFIGS", 4, {"resources": [wanted]})["results"]
        set_here = [each for each in result["configs"] if each["config_source"] not in (4, 5)]
        return (kind, name, sorted((each["name"], each["value"]) for each in set_here))

    def _stream(self, name: str) -> Any:
        found: Any = [self.redis.xrange(name), self.redis.xinfo_stream(name)]
        for group in self.redis.xinfo_groups(name):
            consumers = self.redis.xinfo_consumers(name, group["name"])
            pending = self.redis.xpending_range(name, group["name"], "-", "+", 100)
            found.append((group, consumers, pending))
        return _without_moments(found)


class _Staying(urllib.request.HTTPRedirectHandler):
    """Handler of redirects that goes nowhere."""

    def redirect_request(self, *_: Any) -> None:
        """Let a redirect be the answer."""


_REGISTRY = (
    *("/subjects?deleted=true", "/schemas?deleted=true", "/schemas", "/config", "/mode"),
    *("/config/s?defaultToGlobal=false", "/mode/s?defaultToGlobal=false", "/contexts"),
    *("/subjects/s/versions", "/subjects/s/versions?deleted=true"),
)


@contextmanager
def failing_bus(path: Path) -> Iterator[FailingBus]:
    """Run a bus on a data file."""
    anywhere = Address("127.0.0.1", 0)
    settings = Settings(
        data=path,
        kafka=(anywhere, KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT")),
        http=(anywhere,),
        redis=(anywhere,),
        set=CONFIGS,
    )
    with BusThread(FakeBus(settings, synchronous=False)) as running:
        bus = FailingBus(running, path)
        try:
            yield bus
        finally:
            bus.close()


def seen_again(path: Path, copy: Path) -> dict[str, Any]:
    """Return what clients see of a bus that is started on a copy of a data file."""
    shutil.copy(path, copy)
    with failing_bus(copy) as again:
        return again.seen()


def _built(schema: StructSchema, fields: dict[str, Any]) -> Struct:
    """Return a message made of plain values."""
    made = {}
    for field in schema.fields:
        if field.name in fields:
            value = fields[field.name]
            if field.struct is not None and isinstance(value, list):
                value = [_built(field.struct, each) for each in value]
            elif field.struct is not None and isinstance(value, dict):
                value = _built(field.struct, value)
            made[field.name] = value
    unknown = fields.keys() - made.keys()
    assert not unknown, f"{schema.name} has no {unknown}"
    return struct_class(schema)(**made)


def _plain(value: Any) -> Any:
    """Return a message as plain values, without the times at which something was asked."""
    if isinstance(value, Struct):
        return {
            name: _plain(getattr(value, name))
            for name in value.__slots__
            if name not in ("throttle_time_ms", "session_id")
        }
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


def _without_moments(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_moments(inner)
            for name, inner in value.items()
            if not any(word in str(name) for word in ("idle", "inactive", "time_since"))
        }
    if isinstance(value, list | tuple):
        return [_without_moments(each) for each in value]
    return value


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Yield what differs between two values, place by place."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differences(one[name], other[name], f"{path}/{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (here, there) in enumerate(zip(one, other, strict=True)):
            yield from differences(here, there, f"{path}/{number}")
    elif one != other:
        yield f"{path}: {one} != {other}"
