"""Service of the shop: an ordinary Kafka client, with schemas from the registry.

It lives as long as its standard input is open, which is a pipe from whoever has started it. So no
service is left behind, however that process ends.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer

from fakebus.client.registry import RegistryClient
from fakebus.fixture_files.recording.reading import SourceSchema
from fakebus.schemas.payloads import decode, encode

_POLL_S = 0.5
_FLUSH_S = 10.0


class Service:
    """Service of the shop.

    Args:
        name: its client id and its group.
    """

    def __init__(self, name: str) -> None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        servers, registry = sys.argv[1:]
        self._name = name
        self._config: dict[str, Any] = {"bootstrap.servers": servers, "client.id": name}
        self._registry = RegistryClient(registry)
        self._producer = Producer({**self._config, "linger.ms": 0})
        self._schema = cache(self._newest_schema)

    def _newest_schema(self, topic: str) -> SourceSchema:
        found = self._registry.version(f"{topic}-value", "latest")
        if found is None:
            raise LookupError(f"the schema of {topic} cannot be read")
        return found

    def write(self, topic: str, value: Mapping[str, Any], cause: str | None = None) -> None:
        """Write an event, and wait until it is stored.

        Args:
            topic: where to; its value's schema is the registry's newest.
            value: the event; its order is the key.
            cause: the id of the event that it follows from, if it is to be said.
        """
        schema = self._schema(topic)
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(uuid.uuid4()),
            "ce_type": schema.parsed.name or topic,
            "ce_source": f"/{self._name}",
        }
        if cause is not None:
            headers["ce_causationid"] = cause
        self._producer.produce(
            topic,
            encode(schema, value),
            key=value["order"],
            headers={name: text.encode() for name, text in headers.items()},
        )
        self._producer.flush(_FLUSH_S)

    def read(self, topic: str, *, commit: bool) -> Iterator[tuple[dict[str, Any], str]]:
        """Yield each event of a topic, and its id, as it comes.

        Args:
            topic: the topic.
            commit: whether an event is committed when it is done.
        """
        consumer = Consumer({**self._config, "group.id": self._name, "enable.auto.commit": False})
        consumer.subscribe([topic])
        while True:
            message = consumer.poll(_POLL_S)
            if message is None or message.error():
                continue
            yield decode(message.value(), self._registry.schema, topic=topic).data, _id_of(message)
            if commit:
                # A bus that goes back to a snapshot knows none of the members that it has; they
                # join again, and are sent what they could not commit once more.
                with suppress(KafkaException):
                    consumer.commit(message=message, asynchronous=False)


def _id_of(message: Message) -> str:
    found = dict(message.headers() or ()).get("ce_id")
    return found.decode() if isinstance(found, bytes) else ""


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)
