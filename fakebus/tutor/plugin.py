"""What the plugin adds to Tutor: a service, its image, and the settings of the others.

Tutor imports this module when the plugin is enabled; nothing else does. Its own reference is
https://docs.tutor.edly.io/reference/api/hooks/.
"""

from __future__ import annotations

from pathlib import Path

from tutor import hooks

from fakebus import __version__

_TEMPLATES = Path(__file__).parent / "templates"

_DEFAULTS = [
    ("FAKEBUS_VERSION", __version__),
    ("FAKEBUS_DOCKER_IMAGE", "fakebus:{{ FAKEBUS_VERSION }}"),
    # kafka or redis: which event bus the services speak.
    ("FAKEBUS_EVENT_BUS", "kafka"),
    ("FAKEBUS_TOPIC_PREFIX", "dev"),
    # Sets that are seeded, as fakebus up --fixtures takes them: openedx, package:NAME, DIR.
    ("FAKEBUS_FIXTURES", ["openedx"]),
    # What pip installs into the image besides: the packages that hold these sets.
    ("FAKEBUS_REQUIREMENTS", []),
    # A directory of this machine with fixture files, which is seeded instead.
    ("FAKEBUS_FIXTURES_DIR", ""),
    # Where people reach it in development, on 127.0.0.1.
    ("FAKEBUS_KAFKA_PORT", 9092),
    ("FAKEBUS_HTTP_PORT", 8081),
]

_SETTINGS = """
# The event bus is fakebus.
EVENT_BUS_TOPIC_PREFIX = "{{ FAKEBUS_TOPIC_PREFIX }}"
{% if FAKEBUS_EVENT_BUS == "redis" -%}
EVENT_BUS_PRODUCER = "edx_event_bus_redis.create_producer"
EVENT_BUS_CONSUMER = "edx_event_bus_redis.RedisEventConsumer"
EVENT_BUS_REDIS_CONNECTION_URL = "redis://fakebus:6379/"
{%- else -%}
EVENT_BUS_PRODUCER = "edx_event_bus_kafka.create_producer"
EVENT_BUS_CONSUMER = "edx_event_bus_kafka.KafkaEventConsumer"
EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS = "fakebus:29092"
EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL = "http://fakebus:8081"
{%- endif %}
"""

_SERVICE = """
fakebus:
  image: {{ FAKEBUS_DOCKER_IMAGE }}
  restart: unless-stopped
  environment:
    FAKEBUS_KAFKA: "0.0.0.0:29092,0.0.0.0:9092"
    FAKEBUS_ADVERTISE: "fakebus:29092,localhost:{{ FAKEBUS_KAFKA_PORT }}"
    FAKEBUS_HTTP: "0.0.0.0:8081"
    FAKEBUS_REDIS: "0.0.0.0:6379"
    FAKEBUS_FIXTURES: "{{ '/fixtures' if FAKEBUS_FIXTURES_DIR else FAKEBUS_FIXTURES | join(',') }}"
    FAKEBUS_SET: "fakebus.evict.on.disconnect=true"
  volumes:
    - ../../data/fakebus:/data:z
    {% if FAKEBUS_FIXTURES_DIR %}- {{ FAKEBUS_FIXTURES_DIR }}:/fixtures:ro{% endif %}
  depends_on:
    - permissions
"""

_DEVELOPMENT_PORTS = """
fakebus:
  ports:
    - "127.0.0.1:{{ FAKEBUS_KAFKA_PORT }}:9092"
    - "127.0.0.1:{{ FAKEBUS_HTTP_PORT }}:8081"
"""

_REQUIREMENTS = """
{% if FAKEBUS_EVENT_BUS != "redis" %}
# edx-event-bus-kafka leaves the choice of its Kafka client to the deployment.
RUN --mount=type=cache,target=/openedx/.cache/pip,sharing=shared \\
    $PIP_COMMAND install edx-event-bus-kafka "confluent-kafka[avro,schemaregistry]"
{% endif %}
"""

_PATCHES = [
    ("openedx-common-settings", _SETTINGS),
    ("discovery-common-settings", _SETTINGS),
    ("credentials-common-settings", _SETTINGS),
    ("openedx-dockerfile-post-python-requirements", _REQUIREMENTS),
    ("local-docker-compose-services", _SERVICE),
    ("local-docker-compose-dev-services", _DEVELOPMENT_PORTS),
    ("local-docker-compose-lms-dependencies", "- fakebus"),
    ("local-docker-compose-cms-dependencies", "- fakebus"),
    ("local-docker-compose-permissions-volumes", "- ../../data/fakebus:/mounts/fakebus:z"),
    ("local-docker-compose-permissions-command", "setowner 10001 /mounts/fakebus"),
]

hooks.Filters.CONFIG_DEFAULTS.add_items(_DEFAULTS)
hooks.Filters.ENV_PATCHES.add_items(_PATCHES)
hooks.Filters.ENV_TEMPLATE_ROOTS.add_item(str(_TEMPLATES))
hooks.Filters.ENV_TEMPLATE_TARGETS.add_item(("fakebus/build", "plugins"))
hooks.Filters.IMAGES_BUILD.add_item(
    ("fakebus", ("plugins", "fakebus", "build", "fakebus"), "{{ FAKEBUS_DOCKER_IMAGE }}", ())
)
