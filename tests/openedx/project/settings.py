"""A service of Open edX, as far as the event bus is concerned."""

from __future__ import annotations

import json
import os

SECRET_KEY = "for tests"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["openedx_events", os.environ["BUS_APP"], "tests.openedx.project.receiver"]
USE_TZ = True

EVENTS_SERVICE_NAME = os.environ["SERVICE_NAME"]
EVENT_BUS_TOPIC_PREFIX = "dev"
EVENT_BUS_PRODUCER_CONFIG = json.loads(os.environ.get("PRODUCER_CONFIG", "{}"))
EVENT_BUS_PRODUCER = os.environ["BUS_PRODUCER"]
EVENT_BUS_CONSUMER = os.environ["BUS_CONSUMER"]
EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS = os.environ.get("BOOTSTRAP_SERVERS")
EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL = os.environ.get("REGISTRY_URL")
EVENT_BUS_KAFKA_CONSUMER_POLL_TIMEOUT = 0.2
EVENT_BUS_REDIS_CONNECTION_URL = os.environ.get("REDIS_URL", "")
EVENT_BUS_REDIS_CONSUMER_POLL_TIMEOUT = 1
