"""The libraries that the scenarios run with."""

from __future__ import annotations

from tests.clients.python.aio import AioClient
from tests.clients.python.client import Connect
from tests.clients.python.confluent import ConfluentClient
from tests.clients.python.kafka_python import KafkaPythonClient

CLIENTS: dict[str, Connect] = {
    "confluent": ConfluentClient,
    "aiokafka": AioClient,
    "kafka-python": KafkaPythonClient,
}
