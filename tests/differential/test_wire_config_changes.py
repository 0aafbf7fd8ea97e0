"""AlterConfigs, IncrementalAlterConfigs and DescribeConfigs beside a real Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterConfigsRequest,
    AlterConfigsRequestAlterableConfig,
    AlterConfigsRequestAlterConfigsResource,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestAlterableConfig,
    IncrementalAlterConfigsRequestAlterConfigsResource,
)
from tests.differential.sides import CLOSED, Side, Sides, attempts

pytestmark = pytest.mark.kafka

UNKNOWN, TOPIC, BROKER, BROKER_LOGGER, METRICS, GROUP = 0, 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)

Change = tuple[str, int, str | None]

CHANGES: dict[str, list[Change]] = {
    "a value": [("retention.ms", SET, "1000")],
    "several": [("retention.ms", SET, "1000"), ("segment.bytes", SET, "2097152")],
    "nothing": [],
    "a bad value": [("retention.ms", SET, "soon")],
    "a value too small": [("segment.bytes", SET, "1")],
    "one good, one bad": [("retention.ms", SET, "1000"), ("segment.bytes", SET, "x")],
    "an unknown key": [("no.such.key", SET, "1")],
    "an unknown key goes": [("no.such.key", DELETE, None)],
    "a broker's key": [("num.partitions", SET, "3")],
    "no key": [("", SET, "1")],
    "no value": [("retention.ms", SET, None)],
    "an empty value": [("retention.ms", SET, "")],
    "twice the same key": [("retention.ms", SET, "1"), ("retention.ms", SET, "2")],
    "set and delete": [("retention.ms", SET, "1"), ("retention.ms", DELETE, None)],
    "back to the default": [("max.message.bytes", DELETE, None)],
    "what is default already": [("retention.bytes", DELETE, "")],
    "one more in a list": [("cleanup.policy", APPEND, "delete")],
    "two more in a list": [("cleanup.policy", APPEND, "delete,compact")],
    "one less in a list": [("cleanup.policy", SUBTRACT, "compact")],
    "what is not in a list": [("cleanup.policy", SUBTRACT, "delete")],
    "a wrong one into a list": [("cleanup.policy", APPEND, "shred")],
    "more of a number": [("retention.ms", APPEND, "1")],
    "less of a number": [("retention.ms", SUBTRACT, "1")],
    "nothing more": [("cleanup.policy", APPEND, None)],
    "spaces around": [("retention.ms", SET, " 5000 ")],
    "an empty list": [("cleanup.policy", SET, "")],
    "a list with spaces": [("cleanup.policy", SET, "delete, compact")],
    "a bool": [("preallocate", SET, "TRUE")],
    "not a bool": [("preallocate", SET, "yes")],
    "a float": [("min.cleanable.dirty.ratio", SET, "0.25")],
    "a float too large": [("min.cleanable.dirty.ratio", SET, "1.5")],
    "a compression": [("compression.type", SET, "zstd")],
    "no compression": [("compression.type", SET, "brotli")],
}


def incremental(
    side: Side, kind: int, name: str, changes: list[Change], version: int = 1, **fields: Any
) -> Any:
    resource = IncrementalAlterConfigsRequestAlterConfigsResource(
        resource_type=kind,
        resource_name=name,
        configs=[
            IncrementalAlterConfigsRequestAlterableConfig(
                name=key, config_operation=operation, value=value
            )
            for key, operation, value in changes
        ],
    )
    request = IncrementalAlterConfigsRequest(resources=[resource], **fields)
    return side.ask(ApiKey.INCREMENTAL_ALTER_CONFIGS, version, request)


def replaced(
    side: Side, kind: int, name: str, changes: list[Change], version: int, **fields: Any
) -> Any:
    resource = AlterConfigsRequestAlterConfigsResource(
        resource_type=kind,
        resource_name=name,
        configs=[
            AlterConfigsRequestAlterableConfig(name=key, value=value) for key, _, value in changes
        ],
    )
    request = AlterConfigsRequest(resources=[resource], **fields)
    return side.ask(ApiKey.ALTER_CONFIGS, version, request)


def described(side: Side, kind: int, name: str, *keys: str, version: int = 4, **fields: Any) -> Any:
    # Kafka's broker hears of changes after its controller has answered, in the order of one log:
    # when a new topic is there, what was changed before it is seen.
    side.new_topic()
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=list(keys) or None
    )
    answer = side.ask(
        ApiKey.DESCRIBE_CONFIGS, version, DescribeConfigsRequest(resources=[resource], **fields)
    )
    if answer != CLOSED:
        for result in answer["results"]:
            result["configs"].sort(key=lambda config: config["name"])
    return answer


KEYS = (
    "cleanup.policy",
    "compression.type",
    "max.message.bytes",
    "min.cleanable.dirty.ratio",
    "preallocate",
    "retention.ms",
    "segment.bytes",
)


@pytest.mark.parametrize("version", range(2))
@pytest.mark.parametrize("what", CHANGES)
def test_single_configs_of_a_topic_are_changed(sides: Sides, version: int, what: str) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(cleanup_policy="compact", max_message_bytes="5000")
        return [
            incremental(side, TOPIC, topic, CHANGES[what], version, validate_only=True),
            described(side, TOPIC, topic, *KEYS),
            incremental(side, TOPIC, topic, CHANGES[what], version),
            described(side, TOPIC, topic, *KEYS),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(3))
@pytest.mark.parametrize(
    "what", [name for name, changes in CHANGES.items() if all(one[1] == SET for one in changes)]
)
def test_all_configs_of_a_topic_are_replaced(sides: Sides, version: int, what: str) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(cleanup_policy="compact", max_message_bytes="5000")
        return [
            replaced(side, TOPIC, topic, CHANGES[what], version, validate_only=True),
            replaced(side, TOPIC, topic, CHANGES[what], version),
            described(side, TOPIC, topic, *KEYS),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (UNKNOWN, "name"),
        (TOPIC, "unknown-topic"),
        (TOPIC, "bad name"),
        (TOPIC, ""),
        (BROKER, "7"),
        (BROKER, "one"),
        (BROKER_LOGGER, "7"),
        (BROKER_LOGGER, ""),
        (METRICS, ""),
        (GROUP, ""),
        (99, "name"),
    ],
)
def test_resources_that_are_not_there(sides: Sides, kind: int, name: str) -> None:
    change = [("retention.ms", SET, "1000")]

    def scenario(side: Side) -> Any:
        return [
            incremental(side, kind, name, change),
            incremental(side, kind, name, []),
            replaced(side, kind, name, change, 2),
            *(described(side, kind, name, "retention.ms", version=old) for old in range(1, 5)),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(1, 5))
@pytest.mark.parametrize("synonyms", [True, False])
def test_configs_are_described(sides: Sides, version: int, synonyms: bool) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(cleanup_policy="compact", max_message_bytes="5000")
        fields: dict[str, Any] = {"include_synonyms": synonyms}
        if version >= 3:
            fields["include_documentation"] = False
        return [
            described(side, TOPIC, topic, *KEYS, version=version, **fields),
            described(side, TOPIC, topic, "no.such.key", version=version, **fields),
            described(side, TOPIC, topic, "", version=version, **fields),
            described(side, BROKER, "1", "num.partitions", version=version, **fields),
            described(side, BROKER, "", "num.partitions", version=version, **fields),
            described(side, GROUP, "a-group", "consumer.session.timeout.ms", version=version),
            described(side, METRICS, "some", "metrics", version=version),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("name", ["1", ""])
def test_configs_of_the_broker_are_changed(sides: Sides, name: str) -> None:
    key = "log.cleaner.backoff.ms"

    def shown(side: Side, until: str) -> Any:
        """Describe, once Kafka's controller has told its broker."""
        for _ in attempts():
            answer = described(side, BROKER, name, key, include_synonyms=True)
            values = [config["value"] for config in answer["results"][0]["configs"]] or ["15000"]
            if values == [until]:
                return answer
        raise AssertionError(answer)

    def scenario(side: Side) -> Any:
        return [
            incremental(side, BROKER, name, [(key, SET, "12345")]),
            shown(side, "12345"),
            incremental(side, BROKER, name, [(key, SET, "soon")]),
            incremental(side, BROKER, name, [("node.id", SET, "3")]),
            incremental(side, BROKER, name, [("process.roles", DELETE, None)]),
            incremental(side, BROKER, name, [("no.such.key", DELETE, None)]),
            incremental(side, BROKER, name, [(key, DELETE, None)]),
            shown(side, "15000"),
        ]

    sides.compare(scenario)


def test_a_resource_may_come_once(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        once = IncrementalAlterConfigsRequestAlterConfigsResource(
            resource_type=TOPIC,
            resource_name=topic,
            configs=[
                IncrementalAlterConfigsRequestAlterableConfig(
                    name="retention.ms", config_operation=SET, value="5"
                )
            ],
        )
        other = IncrementalAlterConfigsRequestAlterConfigsResource(
            resource_type=TOPIC, resource_name="unknown-topic", configs=once.configs
        )
        request = IncrementalAlterConfigsRequest(resources=[once, other, once])
        answer = side.ask(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, request)
        answer["responses"].sort(key=lambda row: str(row["resource_name"]))
        return answer, described(side, TOPIC, topic, "retention.ms")

    sides.compare(scenario)
