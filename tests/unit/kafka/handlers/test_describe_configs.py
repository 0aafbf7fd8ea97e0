from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakebus.broker import turns as turns_of_the_loop
from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.describe_configs import handle_describe_configs
from fakebus.protocol.messages import DescribeConfigsRequest, DescribeConfigsResource
from tests.unit.kafka.handlers.calling import call

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32


def request(
    *resources: tuple[int, str], keys: list[str] | None = None, **options: bool
) -> DescribeConfigsRequest:
    return DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
            for kind, name in resources
        ],
        **options,
    )


async def describe_one(broker: Broker, kind: int, name: str, key: str, **options: Any) -> Any:
    version = options.pop("version", None)
    wanted = request((kind, name), keys=[key], **options)
    response = await call(handle_describe_configs, wanted, broker, version=version)
    [config] = response.results[0].configs
    return config


@pytest.mark.parametrize("version", range(1, 5))
async def test_every_version_shows_a_topics_configs(broker: Broker, version: int) -> None:
    await broker.topics.create("t", 1, {"retention.ms": "5"})
    config = await describe_one(
        broker, TOPIC, "t", "retention.ms", version=version, include_synonyms=True
    )
    assert (config.value, config.config_source, config.read_only) == ("5", 1, False)
    assert [(one.name, one.value, one.source) for one in config.synonyms] == [
        ("retention.ms", "5", 1)
    ]
    assert config.config_type == (5 if version >= 3 else 0)


async def test_all_configs_of_a_broker_are_shown_without_a_list_of_names(broker: Broker) -> None:
    [result] = (await call(handle_describe_configs, request((BROKER, "1")), broker)).results
    assert (result.error_code, result.error_message) == (0, "")
    assert len(result.configs) > 340
    assert all(config.synonyms == [] for config in result.configs)
    assert all(config.documentation is None for config in result.configs)


async def test_documentation_comes_when_it_is_asked_for(broker: Broker) -> None:
    config = await describe_one(broker, BROKER, "1", "num.partitions")
    assert config.documentation is None
    config = await describe_one(broker, BROKER, "1", "num.partitions", include_documentation=True)
    assert config.documentation == "How many partitions a topic gets when nobody says."


@pytest.mark.parametrize(
    ("kind", "name"), [(BROKER, "1"), (LOGGER, "1"), (METRICS, "m"), (GROUP, "g")]
)
async def test_every_kind_of_resource_has_documentation(
    broker: Broker, kind: int, name: str
) -> None:
    wanted = request((kind, name), include_documentation=True)
    [result] = (await call(handle_describe_configs, wanted, broker)).results
    assert result.configs
    assert all((config.documentation == "") is (kind == LOGGER) for config in result.configs)


async def test_a_resource_that_does_not_exist_is_an_error_beside_the_others(
    broker: Broker,
) -> None:
    wanted = request((TOPIC, "nope"), (BROKER, "2"), (BROKER, ""), keys=["foo"])
    response = await call(handle_describe_configs, wanted, broker)
    assert [
        (result.resource_type, result.resource_name, result.error_code, result.configs)
        for result in response.results
    ] == [
        (TOPIC, "nope", 3, []),
        (BROKER, "2", 42, []),
        (BROKER, "", 0, []),
    ]
    assert "'2'" in response.results[1].error_message


async def test_a_type_that_there_is_not_refuses_the_whole_request(broker: Broker) -> None:
    response = await call(handle_describe_configs, request((BROKER, ""), (77, "x")), broker)
    assert [(one.resource_name, one.error_code, one.configs) for one in response.results] == [
        ("", 42, []),
        ("x", 42, []),
    ]


async def test_a_secret_has_no_value(broker: Broker) -> None:
    broker.config.static["ssl.keystore.password"] = "secret"
    config = await describe_one(broker, BROKER, "1", "ssl.keystore.password", include_synonyms=True)
    assert (config.is_sensitive, config.value) == (True, None)
    assert [one.value for one in config.synonyms] == [None]


async def test_a_resource_that_is_named_again_and_again_is_described_once(broker: Broker) -> None:
    wanted = request(*[(BROKER, "1"), (TOPIC, "nope")] * 1_000)
    response = await call(handle_describe_configs, wanted, broker)
    assert [result.resource_name for result in response.results] == ["1", "nope"]


async def test_others_get_their_turn_between_the_resources(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_of_the_loop, "SLICE_S", 0.0)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    names = [(GROUP, f"g{number}") for number in range(50)]
    await call(handle_describe_configs, request(*names), broker)
    counting.cancel()
    assert turns >= 49
