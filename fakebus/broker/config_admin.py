"""Showing and changing the configs of topics, brokers, groups, loggers and metrics subscriptions.

What is changed of brokers, groups and subscriptions is kept in storage as one value for each
resource and takes effect at once. Each resource of a request is changed by itself.

Source: ConfigAdminManager and ConfigurationControlManager of Kafka 4.3.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial

from fakebus.broker import log_levels
from fakebus.broker.config_requests import (
    ConfigChange,
    ConfigOperation,
    ConfigResourceType,
    ResourceChange,
    ResourceResult,
    changed_list,
    operation_of,
)
from fakebus.broker.configs.broker_config import BrokerConfig, ConfigSource
from fakebus.broker.configs.client_metrics import check_subscription
from fakebus.broker.configs.definition import ConfigKey, UpdateMode, find
from fakebus.broker.configs.describing import (
    DescribedConfig,
    describe_broker,
    describe_client_metrics,
    describe_cluster,
    describe_group,
    describe_topic,
)
from fakebus.broker.configs.group_config import GroupConfig, group_config
from fakebus.broker.configs.keys import BROKER_KEYS, CLIENT_METRICS_KEYS, GROUP_KEYS, TOPIC_KEYS
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.broker.configs.values import canonical
from fakebus.broker.refusals import refusal
from fakebus.broker.topic_names import topic_name_problem
from fakebus.broker.topics import Topic, Topics
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ConfigError, ErrorCode, StorageError
from fakebus.storage.interface import MetaStore

logger = logging.getLogger("fakebus.broker")

_MIN_IN_SYNC = "min.insync.replicas"
_META_PREFIX = "config."
_FILES_OF_TLS = ("ssl.key.", "ssl.keystore.", "ssl.truststore.")
"""Kafka changes these with the prefix of a listener only, DYNAMIC_SECURITY_CONFIGS."""
_TABLES: Mapping[ConfigResourceType, Mapping[str, ConfigKey]] = {
    ConfigResourceType.TOPIC: TOPIC_KEYS,
    ConfigResourceType.BROKER: BROKER_KEYS,
    ConfigResourceType.CLIENT_METRICS: CLIENT_METRICS_KEYS,
    ConfigResourceType.GROUP: GROUP_KEYS,
}


class ConfigAdmin:
    """Shows and changes configs as clients ask.

    Args:
        topics: the topics, which hold their own configs.
        config: the broker's configs.
        storage: where changed configs of everything else are kept.
        node_ids: the brokers, which have their changed configs in common.
    """

    def __init__(
        self, *, topics: Topics, config: BrokerConfig, storage: MetaStore, node_ids: Sequence[int]
    ) -> None:
        self._topics = topics
        self._config = config
        self._storage = storage
        self._node_names = [str(node_id) for node_id in node_ids]
        self._subscriptions: dict[str, dict[str, str]] = {}
        """Client metrics subscriptions by name."""

    def load(self) -> None:
        """Read what was changed earlier from storage and let it take effect.

        A value that this version does not accept any more is left out.
        """
        dynamic: dict[str, dict[str, str]] = {}
        homes = {
            ConfigResourceType.BROKER: dynamic,
            ConfigResourceType.GROUP: self._config.group_overrides,
            ConfigResourceType.CLIENT_METRICS: self._subscriptions,
        }
        for kind, home in homes.items():
            prefix = f"{_META_PREFIX}{kind.name}."
            for meta_key in self._storage.meta_keys(prefix):
                stored = json.loads(self._storage.get_meta(meta_key) or "{}")
                home[meta_key.removeprefix(prefix)] = {
                    name: text
                    for name, text in stored.items()
                    if name in _TABLES[kind] and _TABLES[kind][name].check(text) is None
                }
        for name in self._node_names:
            if name in dynamic:
                self._use(ConfigResourceType.BROKER, name, dynamic[name])
        # A new Kafka cluster sets this one for the whole cluster (KIP-966).
        in_sync = canonical(self._config.own_value(_MIN_IN_SYNC)) or ""
        self._use(ConfigResourceType.BROKER, "", {_MIN_IN_SYNC: in_sync, **dynamic.get("", {})})

    def changed(self) -> dict[tuple[ConfigResourceType, str], dict[str, str]]:
        """Return all that was changed, of everything but topics, for :meth:`restore`."""
        own = {
            (ConfigResourceType.BROKER, self._node_names[0]): self._config.dynamic_broker,
            (ConfigResourceType.BROKER, ""): self._config.dynamic_default,
        }
        groups = {(ConfigResourceType.GROUP, n): c for n, c in self._config.group_overrides.items()}
        metrics = {
            (ConfigResourceType.CLIENT_METRICS, n): c for n, c in self._subscriptions.items()
        }
        return {key: dict(configs) for key, configs in (own | groups | metrics).items()}

    async def restore(
        self, changed: Mapping[tuple[ConfigResourceType, str], Mapping[str, str]]
    ) -> None:
        """Make it what :meth:`changed` once returned.

        Raises:
            StorageError: it could not be stored.
        """
        present = self.changed()
        for kind, name in present.keys() | changed.keys():
            configs = changed.get((kind, name), {})
            if configs != present.get((kind, name), {}):
                await self._store(kind, name, configs, validate_only=False)

    def resources(self, types: Collection[int]) -> list[tuple[int, str]]:
        """Return type and name of the resources that have configs (KIP-1142).

        Args:
            types: the wanted types; all for none.

        Raises:
            BrokerError: UNSUPPORTED_VERSION for an unknown type.
        """
        known = {member.value for member in ConfigResourceType}
        if not set(types) <= known:
            raise BrokerError(
                ErrorCode.UNSUPPORTED_VERSION, f"there is a resource type out of {sorted(types)}"
            )
        found = [
            *((ConfigResourceType.TOPIC, topic.name) for topic in self._topics),
            *((ConfigResourceType.BROKER, name) for name in self._node_names),
            *((ConfigResourceType.BROKER_LOGGER, name) for name in self._node_names),
            *((ConfigResourceType.GROUP, group_id) for group_id in self._config.group_overrides),
            *((ConfigResourceType.CLIENT_METRICS, name) for name in self._subscriptions),
        ]
        return [(kind.value, name) for kind, name in found if not types or kind.value in types]

    def describe(
        self,
        resource_type: int,
        name: str,
        names: Collection[str] | None = None,
        *,
        node_id: int,
    ) -> list[DescribedConfig]:
        """Return the configs of a resource.

        Args:
            resource_type: Kafka's number, see :class:`ConfigResourceType`.
            name: the topic, broker id, group id or subscription; empty for all brokers.
            names: the wanted configs; all for ``None`` or none.
            node_id: the broker that was asked, which knows its own configs only.

        Raises:
            BrokerError: INVALID_REQUEST, INVALID_TOPIC_EXCEPTION or
                UNKNOWN_TOPIC_OR_PARTITION: there is no such resource.
        """
        kind = _resource_type(resource_type)
        if kind is ConfigResourceType.TOPIC:
            return describe_topic(self._topic(name).config, self._config, names)
        if kind is ConfigResourceType.BROKER:
            if not name:
                return describe_cluster(self._config, names)
            _check_node_id(name, node_id)
            return describe_broker(self._config.of_node(node_id), names)
        if kind is ConfigResourceType.BROKER_LOGGER:
            _check_node_id(name, node_id)
            return [
                DescribedConfig(name=key, value=text, source=ConfigSource.DYNAMIC_BROKER_LOGGER)
                for key, text in log_levels.logger_levels().items()
                if not names or key in names
            ]
        if not name:
            raise BrokerError(ErrorCode.INVALID_REQUEST, "the resource's name must not be empty")
        if kind is ConfigResourceType.GROUP:
            return describe_group(group_config(name, self._config), self._config, names)
        return describe_client_metrics(self._subscriptions.get(name, {}), names)

    def _topic(self, name: str) -> Topic:
        problem = topic_name_problem(name)
        if problem is not None:
            raise BrokerError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
        topic = self._topics.get(name)
        if topic is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")
        return topic

    async def alter(
        self, wanted: Sequence[ResourceChange], *, node_id: int, validate_only: bool = False
    ) -> list[ResourceResult]:
        """Change single configs of resources (IncrementalAlterConfigs, KIP-339).

        Args:
            wanted: the changes.
            node_id: the broker that was asked, which changes no other one's configs.
            validate_only: check everything and change nothing.
        """
        return await self._for_each(wanted, self._alter_one, node_id, validate_only)

    async def replace(
        self, wanted: Sequence[ResourceChange], *, node_id: int, validate_only: bool = False
    ) -> list[ResourceResult]:
        """Replace all configs of resources, as the old AlterConfigs does.

        Args:
            wanted: the configs that remain; operations in them are not looked at.
            node_id: the broker that was asked.
            validate_only: check everything and change nothing.
        """
        return await self._for_each(wanted, self._replace_one, node_id, validate_only)

    async def _for_each(
        self,
        wanted: Sequence[ResourceChange],
        change: Callable[[ConfigResourceType, ResourceChange, int, bool], Awaitable[None]],
        node_id: int,
        validate_only: bool,
    ) -> list[ResourceResult]:
        times = Counter((one.resource_type, one.resource_name) for one in wanted)
        results = []
        async for one in in_turns(wanted):
            error_code, message = ErrorCode.NONE, None
            try:
                if times[one.resource_type, one.resource_name] > 1:
                    raise BrokerError(
                        ErrorCode.INVALID_REQUEST, "the request names the resource more than once"
                    )
                await change(_resource_type(one.resource_type), one, node_id, validate_only)
            except (BrokerError, ConfigError, StorageError) as error:
                error_code, message = refusal(
                    f"a change of the configs of {one.resource_name!r}", error
                )
            results.append(
                ResourceResult(
                    resource_type=one.resource_type,
                    resource_name=one.resource_name,
                    error_code=error_code,
                    error_message=message,
                )
            )
        return results

    async def _alter_one(
        self, kind: ConfigResourceType, wanted: ResourceChange, node_id: int, validate_only: bool
    ) -> None:
        operations = [(change, operation_of(change)) for change in wanted.changes]
        _check_request(
            wanted,
            [change for change, operation in operations if operation != ConfigOperation.DELETE],
        )
        if kind is ConfigResourceType.BROKER_LOGGER:
            _check_node_id(wanted.resource_name, node_id)
            _alter_loggers(operations, validate_only)
            return
        current = self._own_configs(kind, wanted.resource_name, node_id)
        configs = dict(current)
        for change, operation in operations:
            if operation is ConfigOperation.DELETE:
                configs.pop(change.name, None)
            elif operation is ConfigOperation.SET:
                configs[change.name] = change.value or ""
            else:
                key = _TABLES[kind].get(change.name)
                configs[change.name] = changed_list(
                    key, change, current.get(change.name), operation
                )
        await self._store(kind, wanted.resource_name, configs, validate_only)

    async def _replace_one(
        self, kind: ConfigResourceType, wanted: ResourceChange, node_id: int, validate_only: bool
    ) -> None:
        if kind is ConfigResourceType.BROKER_LOGGER:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST, "log levels can be changed only one by one"
            )
        _check_request(wanted, wanted.changes)
        self._own_configs(kind, wanted.resource_name, node_id)
        configs = {change.name: change.value or "" for change in wanted.changes}
        await self._store(kind, wanted.resource_name, configs, validate_only)

    def _own_configs(self, kind: ConfigResourceType, name: str, node_id: int) -> Mapping[str, str]:
        if kind is ConfigResourceType.BROKER and name:
            _check_node_id(name, node_id)
        return self._current(kind, name)

    def _current(self, kind: ConfigResourceType, name: str) -> Mapping[str, str]:
        """Return the resource's own configs; raise when there can be no such resource."""
        if kind is ConfigResourceType.TOPIC:
            if not name:
                raise BrokerError(ErrorCode.INVALID_REQUEST, "there is no default topic")
            topic = self._topics.get(name)
            # Kafka tells what is wrong with values before it looks whether there is such a topic.
            return {} if topic is None else topic.config.overrides
        if kind is ConfigResourceType.BROKER:
            return self._config.dynamic_broker if name else self._config.dynamic_default
        if not name:
            raise BrokerError(ErrorCode.INVALID_REQUEST, "the resource's name must not be empty")
        if kind is ConfigResourceType.GROUP:
            return self._config.group_overrides.get(name, {})
        return self._subscriptions.get(name, {})

    async def _store(
        self, kind: ConfigResourceType, name: str, configs: Mapping[str, str], validate_only: bool
    ) -> None:
        """Check a resource's configs and keep them; nothing awaits before they take effect."""
        if kind is ConfigResourceType.TOPIC:
            if topic_name_problem(name) is None:
                TopicConfig(configs, self._config)
            topic = self._topic(name)
            if not validate_only:
                await self._topics.set_configs(topic, configs)
            return
        if kind is ConfigResourceType.BROKER:
            _check_broker_configs(configs, self._current(kind, name), bool(name))
        elif kind is ConfigResourceType.GROUP:
            GroupConfig(configs, self._config)
        else:
            check_subscription(configs)
        if validate_only:
            return
        undo = partial(self._use, kind, name, self._current(kind, name))
        self._use(kind, name, configs)
        logger.info("the configs of %s %r are changed", kind.name.lower(), name)
        stored = json.dumps(dict(configs)) if configs else None
        await self._storage.set_all_meta({f"{_META_PREFIX}{kind.name}.{name}": stored}, undo)

    def _use(self, kind: ConfigResourceType, name: str, configs: Mapping[str, str]) -> None:
        """Let the configs of anything but a topic take effect."""
        if kind is ConfigResourceType.BROKER:
            if name:
                self._config.set_dynamic(broker=configs)
            else:
                self._config.set_dynamic(default=configs)
            self._topics.refresh_configs()
            return
        groups = self._config.group_overrides
        home = groups if kind is ConfigResourceType.GROUP else self._subscriptions
        home[name] = dict(configs)
        if not configs:
            del home[name]


def _check_node_id(name: str, node_id: int) -> None:
    if name != str(node_id):
        raise BrokerError(
            ErrorCode.INVALID_REQUEST,
            f"the resource must be named after this broker, {node_id}, not {name!r}",
        )


def _alter_loggers(
    operations: Sequence[tuple[ConfigChange, ConfigOperation]], validate_only: bool
) -> None:
    for change, operation in operations:
        if operation is ConfigOperation.SET:
            log_levels.check_logger_level(change.name, change.value or "")
        elif operation is ConfigOperation.DELETE:
            log_levels.check_logger_reset(change.name)
        else:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST, f"a log level is no list to {operation.name}"
            )
    if validate_only:
        return
    for change, operation in operations:
        if operation is ConfigOperation.SET:
            log_levels.set_logger_level(change.name, change.value or "")
        else:
            log_levels.reset_logger_level(change.name)


def _resource_type(number: int) -> ConfigResourceType:
    try:
        return ConfigResourceType(number)
    except ValueError:
        raise BrokerError(
            ErrorCode.INVALID_REQUEST, f"there is no resource type {number}"
        ) from None


def _check_request(wanted: ResourceChange, with_values: Sequence[ConfigChange]) -> None:
    names = Counter(change.name for change in wanted.changes)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise BrokerError(ErrorCode.INVALID_REQUEST, f"the request names {twice[0]} more than once")
    null = [change.name for change in with_values if change.value is None]
    if null:
        raise BrokerError(ErrorCode.INVALID_REQUEST, f"{null[0]}: a null value is not allowed")


def _check_broker_configs(
    configs: Mapping[str, str], current: Mapping[str, str], per_broker: bool
) -> None:
    """Refuse what cannot be changed while a broker runs (DynamicBrokerConfig.validate)."""
    if per_broker == (_MIN_IN_SYNC in configs):
        level, change = ("Broker", "altered") if per_broker else ("Cluster", "removed")
        raise BrokerError(
            ErrorCode.INVALID_CONFIG,
            f"{level}-level {_MIN_IN_SYNC} cannot be {change} while ELR is enabled.",
        )
    for name, text in configs.items():
        if current.get(name) == text:
            continue
        try:
            key = find(BROKER_KEYS, name, "broker")
            key.parse(text)
        except ConfigError as error:
            raise BrokerError(ErrorCode.INVALID_REQUEST, str(error)) from None
        if key.read_only:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"{name} cannot be changed while the broker runs; give it at start",
            )
        if name.startswith(_FILES_OF_TLS):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"{name} could be changed for a single listener only; give it at start",
            )
        if key.update is UpdateMode.PER_BROKER and not per_broker:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                f"{name} can be changed for one broker only, not for all; name the broker",
            )
