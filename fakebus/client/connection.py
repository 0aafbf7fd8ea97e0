"""Connection to a cluster through a real client library.

confluent-kafka is an extra and slow to import; it is loaded when the first client is made.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from fakebus.addresses import Address
from fakebus.client.reachability import connect_problems
from fakebus.errors import FakebusError, MissingExtraError
from fakebus.real_time import monotonic
from fakebus.wording import nearest

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        AdminClient,
        ClusterMetadata,
    )

Result = TypeVar("Result")

METADATA_TIMEOUT_S = 4.5
"""From the first look at a cluster until it is reported as unreachable."""
REQUEST_TIMEOUT_S = 30.0
DOCTOR_HINT = "find out why with  fakebus doctor"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SIZE_OF_HTTP = str(int.from_bytes(b"HTTP"))
"""What an answer of HTTP is taken for by librdkafka: a frame of this many bytes."""


class ClientError(FakebusError):
    """Error: the cluster cannot be reached, or it refuses what was asked of it.

    Args:
        message: what is the matter.
        code: Kafka's number for it, or librdkafka's negative one; ``None`` if neither told.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(ClientError):
    """Error: there is no topic, partition, group, subject or broker of that name."""


def silent_logger() -> logging.Logger:
    """Return the logger that swallows the client library's own log.

    What matters of it comes back as the error of a call.
    """
    logger = logging.getLogger("fakebus.librdkafka")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger


class Connection:
    """Cluster and the clients that speak to it.

    Args:
        feature: what needs it, to be told when the client library is missing.
        servers: the bootstrap addresses.
        client_config: librdkafka's settings, which beat all others.
        client_id: what the cluster knows the clients by.

    Raises:
        MissingExtraError: confluent-kafka is not installed.
    """

    def __init__(
        self,
        feature: str,
        servers: tuple[Address, ...],
        client_config: Mapping[str, str] | None = None,
        client_id: str = "fakebus-cli",
    ) -> None:
        try:
            import confluent_kafka  # noqa: F401 - only to see that it is there
        except ImportError:
            raise MissingExtraError(feature, "client") from None
        self.servers = servers
        self.last_error: KafkaError | None = None
        self._client_id = client_id
        self._client_config = client_config or {}
        self._metadata: ClusterMetadata | None = None
        self._deadline = monotonic() + METADATA_TIMEOUT_S

    @property
    def name(self) -> str:
        """The bootstrap addresses as text."""
        return ",".join(map(str, self.servers))

    @property
    def is_encrypted(self) -> bool:
        """Whether the clients are told to speak TLS."""
        return "SSL" in self._client_config.get("security.protocol", "").upper()

    def config(self, extra: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return the settings for a client of this cluster."""
        return {
            "bootstrap.servers": self.name,
            "client.id": self._client_id,
            "error_cb": self._keep_error,
            **(extra or {}),
            **self._client_config,
        }

    @cached_property
    def admin(self) -> AdminClient:
        """Client for everything but records."""
        from confluent_kafka.admin import AdminClient

        return self._made(AdminClient)

    def producer(self, extra: Mapping[str, object] | None = None) -> Producer:
        """Return a new producer."""
        from confluent_kafka import Producer

        return self._made(Producer, extra)

    def consumer(self, extra: Mapping[str, object] | None = None) -> Consumer:
        """Return a new consumer; the caller closes it."""
        from confluent_kafka import Consumer

        return self._made(Consumer, extra)

    def _made(self, kind: type[Result], extra: Mapping[str, object] | None = None) -> Result:
        from confluent_kafka import KafkaException

        try:
            return kind(self.config(extra), logger=silent_logger())  # type: ignore[call-arg]
        except KafkaException as error:
            raise ClientError(f"the client library refuses a setting: {text_of(error)}") from None

    def _keep_error(self, error: KafkaError) -> None:
        self.last_error = error

    @property
    def metadata(self) -> ClusterMetadata:
        """Brokers and topics as the cluster told them last.

        Raises:
            ClientError: no broker can be reached, or it does not answer in time.
        """
        return self._metadata or self._first_metadata()

    def _first_metadata(self) -> ClusterMetadata:
        self._reach()
        return self.refresh(max(self._deadline - monotonic(), 1.0))

    def _reach(self) -> None:
        """Raise ClientError if none of the bootstrap addresses takes connections."""
        problems = connect_problems(self.servers)
        if len(problems) == len(self.servers):
            told = "; ".join(f"{problem.address}: {problem}" for problem in problems)
            here = any(each.refused and each.address.host in _LOOPBACK for each in problems)
            advice = "start a bus with  fakebus up" if here else "is it running?"
            raise ClientError(f"cannot reach Kafka at {told}; {advice} ({DOCTOR_HINT})")

    def refresh(self, timeout_s: float = REQUEST_TIMEOUT_S) -> ClusterMetadata:
        """Ask for brokers and topics again.

        Args:
            timeout_s: how long to wait for the answer.

        Raises:
            ClientError: no broker can be reached, or it does not answer in time.
        """
        from confluent_kafka import KafkaException

        try:
            self._metadata = self.admin.list_topics(timeout=timeout_s)
        except KafkaException as error:
            self._reach()
            self.admin.poll(0)
            reason = self.last_error.str() if self.last_error else text_of(error)
            if _SIZE_OF_HTTP in reason:
                reason = "it speaks HTTP"
            raise ClientError(
                f"{self.name} accepts connections but does not answer as Kafka: {reason} "
                f"({DOCTOR_HINT})"
            ) from None
        return self._metadata

    def topic_names(self) -> list[str]:
        """Return the names of all topics, internal ones too."""
        return sorted(self.metadata.topics)

    def partition_count(self, topic: str) -> int:
        """Return the number of partitions of a topic.

        Raises:
            NotFoundError: there is no such topic; the message names the nearest ones.
        """
        found = self.metadata.topics.get(topic)
        if found is None:
            near = nearest(topic, self.topic_names())
            raise NotFoundError(f"there is no topic {topic!r}; {near}")
        if found.error is not None:
            raise ClientError(f"topic {topic!r}: {found.error.str()}", found.error.code())
        return len(found.partitions)

    def result(self, future: Future[Result], doing: str) -> Result:
        """Wait for the answer to a request.

        Args:
            future: what the admin client returned.
            doing: the words before the reason if it fails.

        Raises:
            ClientError: the cluster refused, or did not answer.
        """
        from confluent_kafka import KafkaException

        try:
            return future.result(REQUEST_TIMEOUT_S + 1)
        except KafkaException as error:
            code = code_of(error)
            raise ClientError(f"{doing}: {text_of(error)}{_hint(code)}", code) from None
        except TimeoutError:
            raise ClientError(f"{doing}: no answer ({DOCTOR_HINT})") from None

    def advertised(self) -> list[Address]:
        """Return the addresses that the cluster tells its clients to use."""
        return [Address(str(broker.host), broker.port) for broker in self.metadata.brokers.values()]

    def check_advertised(self) -> None:
        """Make sure that a client gets beyond its first request.

        Raises:
            ClientError: not one of the advertised addresses can be reached.
        """
        told = self.advertised()
        others = [address for address in told if address not in self.servers]
        if len(others) < len(told) or not others:
            return
        problems = connect_problems(others, timeout=1.0)
        if len(problems) == len(others):
            raise ClientError(
                f"the broker at {self.name} sends clients on to {problems[0].address}: "
                f"{problems[0]}; its advertised address is wrong for this machine "
                f"({DOCTOR_HINT})"
            )


def _hint(code: int) -> str:
    from confluent_kafka import KafkaError

    lost = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._RESOLVE)
    return f" ({DOCTOR_HINT})" if code in lost else ""


def code_of(error: Exception) -> int:
    """Return the number of the error that a KafkaException carries."""
    return int(error.args[0].code())


def text_of(error: Exception) -> str:
    """Return what a KafkaException says, without librdkafka's punctuation."""
    text = str(error.args[0].str()).removeprefix("Broker: ").removeprefix("Local: ")
    return text.rstrip(".")
