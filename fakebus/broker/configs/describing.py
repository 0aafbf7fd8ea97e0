"""How configs are shown to clients: values, where they come from, and their synonyms.

Source: Kafka's ConfigHelper. One rule there surprises: the synonyms of a config begin with
the first one of its own name, so a broker that was given ``log.retention.hours`` alone shows
``log.retention.ms`` without synonyms and as a default.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from fakebus.broker.configs.broker_config import BrokerConfig, ConfigSource, Setting
from fakebus.broker.configs.definition import ConfigKey
from fakebus.broker.configs.group_config import GroupConfig
from fakebus.broker.configs.keys import BROKER_KEYS, CLIENT_METRICS_KEYS, GROUP_KEYS, TOPIC_KEYS
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.configs.values import ConfigType, ConfigValue, canonical


class Synonym(NamedTuple):
    """A value that a config has, or would have if the ones before it were not there."""

    name: str
    value: str | None
    """``None`` for a secret."""
    source: ConfigSource


class DescribedConfig(NamedTuple):
    """One config of a resource as clients see it."""

    name: str
    value: str | None
    """``None`` when it has no value, or when it is a secret."""
    source: ConfigSource
    read_only: bool = False
    sensitive: bool = False
    type: ConfigType = ConfigType.UNKNOWN
    synonyms: tuple[Synonym, ...] = ()


Names = Collection[str] | None
"""Which configs are wanted; all for ``None`` or an empty collection."""


def describe_topic(
    config: TopicConfig, broker: BrokerConfig, names: Names
) -> list[DescribedConfig]:
    """Return a topic's configs."""

    def synonyms(key: ConfigKey) -> list[Setting]:
        inherited = _of_broker(broker, key.synonyms[0]) if key.synonyms else []
        return _with_own(key, config.overrides, ConfigSource.TOPIC, inherited)

    keys = _chosen(TOPIC_KEYS, names, config.overrides)
    return [_described(key, config.value(key.name), synonyms, read_only=False) for key in keys]


def describe_group(
    config: GroupConfig, broker: BrokerConfig, names: Names
) -> list[DescribedConfig]:
    """Return a group's configs."""

    def synonyms(key: ConfigKey) -> list[Setting]:
        inherited = (
            _of_broker(broker, key.synonyms[0])
            if key.synonyms
            else [Setting(key.name, key.default or "", ConfigSource.DEFAULT)]
        )
        return _with_own(key, config.overrides, ConfigSource.GROUP, inherited)

    keys = _chosen(GROUP_KEYS, names, config.overrides)
    return [_described(key, config.value(key.name), synonyms, read_only=False) for key in keys]


def describe_client_metrics(overrides: Mapping[str, str], names: Names) -> list[DescribedConfig]:
    """Return the configs of a client metrics subscription."""

    def synonyms(key: ConfigKey) -> list[Setting]:
        return _with_own(key, overrides, ConfigSource.CLIENT_METRICS, [])

    described = []
    for key in _chosen(CLIENT_METRICS_KEYS, names, overrides):
        text = overrides.get(key.name, key.default)
        value = None if text is None else key.parse(text)
        described.append(_described(key, value, synonyms, read_only=False))
    return described


def describe_broker(broker: BrokerConfig, names: Names) -> list[DescribedConfig]:
    """Return all configs of this broker."""
    keys = _chosen(BROKER_KEYS, names, (*broker.static, *broker.dynamic_broker))
    return [
        _described(key, broker.own_value(key.name), lambda key: _of_broker(broker, key.name))
        for key in keys
    ]


def describe_cluster(broker: BrokerConfig, names: Names) -> list[DescribedConfig]:
    """Return the configs that were changed for the cluster as a whole; Kafka shows no others."""

    def synonyms(key: ConfigKey) -> list[Setting]:
        return [
            setting
            for setting in _of_broker(broker, key.name)
            if setting.source is ConfigSource.DYNAMIC_DEFAULT_BROKER
        ]

    changed = {name: BROKER_KEYS[name] for name in sorted(broker.dynamic_default)}
    return [
        _described(key, key.parse(broker.dynamic_default[key.name]), synonyms)
        for key in _chosen(changed, names, changed)
    ]


def _chosen(
    keys: Mapping[str, ConfigKey], names: Names, set_names: Iterable[str]
) -> list[ConfigKey]:
    shown = set(set_names)
    return [
        key
        for key in keys.values()
        if (not names or key.name in names) and (not key.internal or key.name in shown)
    ]


def _of_broker(broker: BrokerConfig, name: str) -> list[Setting]:
    settings = broker.settings(name)
    return list(itertools.dropwhile(lambda setting: setting.name != name, settings))


def _with_own(
    key: ConfigKey, overrides: Mapping[str, str], source: ConfigSource, inherited: list[Setting]
) -> list[Setting]:
    if key.name not in overrides:
        return inherited
    text = canonical(key.parse(overrides[key.name])) or ""
    return [Setting(key.name, text, source), *inherited]


def _described(
    key: ConfigKey,
    value: ConfigValue,
    synonyms: Callable[[ConfigKey], list[Setting]],
    *,
    read_only: bool | None = None,
) -> DescribedConfig:
    settings = synonyms(key)
    return DescribedConfig(
        name=key.name,
        value=None if key.sensitive else canonical(value),
        source=settings[0].source if settings else ConfigSource.DEFAULT,
        read_only=key.read_only if read_only is None else read_only,
        sensitive=key.sensitive,
        type=key.type,
        synonyms=tuple(
            Synonym(name=name, value=None if key.sensitive else text, source=source)
            for name, text, source in settings
        ),
    )
