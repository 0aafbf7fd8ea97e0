"""Configs of topics, of one broker, and of all brokers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from fakebus.broker.config_requests import (
    ConfigChange,
    ConfigOperation,
    ConfigResourceType,
    ResourceChange,
)
from fakebus.broker.configs.broker_config import ConfigSource
from fakebus.broker.configs.describing import DescribedConfig
from fakebus.errors import BrokerError, ErrorCode
from fakebus.web.errors import RequestError
from fakebus.web.rest.call import field, objects
from fakebus.web.rest.v3.call import Resource, V3Call
from fakebus.web.rest.v3.topics import config_value


class _Owner:
    """Owner of configs: the path's topic or broker, or all brokers.

    Args:
        call: names it.
        topic: a topic's name instead of the path's.
        broker: the number of a broker instead of the path's.
    """

    def __init__(self, call: V3Call, topic: str | None = None, broker: int | None = None) -> None:
        self._call = call
        self._fields: Resource
        if topic is not None or "topic" in call.request.match_info:
            self.name = call.topic(topic).name
            self.type = ConfigResourceType.TOPIC
            self.path: tuple[object, ...] = ("topics", self.name, "configs")
            self.kind, self._fields = "TopicConfig", {"topic_name": self.name}
        elif broker is not None or "broker" in call.request.match_info:
            number = call.broker_id() if broker is None else broker
            self.name, self.type = str(number), ConfigResourceType.BROKER
            self.path = ("brokers", number, "configs")
            self.kind, self._fields = "BrokerConfig", {"broker_id": number}
        else:
            self.name, self.type, self.path = "", ConfigResourceType.BROKER, ("broker-configs",)
            self.kind, self._fields = "ClusterConfig", {"config_type": "BROKER"}

    def configs(self, names: Sequence[str] | None = None) -> list[Resource]:
        """Return the configs by name, all or those wanted."""
        admin, node_id = self._call.bus.broker.config_admin, self._node()
        found = admin.describe(self.type.value, self.name, names, node_id=node_id)
        return [self._config(each) for each in sorted(found, key=lambda each: each.name)]

    def _node(self) -> int:
        if self.type is ConfigResourceType.BROKER and self.name:
            return int(self.name)
        return self._call.bus.broker.nodes[0].node_id

    def _config(self, config: DescribedConfig) -> Resource:
        fields = {
            **self._fields,
            "name": config.name,
            "value": config.value,
            "is_default": config.source is ConfigSource.DEFAULT,
            "is_read_only": config.read_only,
            "is_sensitive": config.sensitive,
            "source": _source(config.source),
            "synonyms": [
                {"name": each.name, "value": each.value, "source": _source(each.source)}
                for each in config.synonyms
            ],
        }
        return self._call.resource(self.kind, (*self.path, config.name), fields)

    async def alter(self, changes: Sequence[ConfigChange], *, validate_only: bool = False) -> None:
        """Change configs, all or none.

        Raises:
            BrokerError: one of them is refused.
        """
        change = ResourceChange(
            resource_type=self.type.value, resource_name=self.name, changes=changes
        )
        admin = self._call.bus.broker.config_admin
        (done,) = await admin.alter([change], node_id=self._node(), validate_only=validate_only)
        if done.error_code is not ErrorCode.NONE:
            raise BrokerError(done.error_code, done.error_message)


def _source(source: ConfigSource) -> str:
    return "DYNAMIC_TOPIC_CONFIG" if source is ConfigSource.TOPIC else f"{source.name}_CONFIG"


async def list_configs(call: V3Call) -> object:
    """List the configs of a topic, of a broker, or those that were changed for all brokers."""
    owner = _Owner(call)
    return call.collection(owner.kind, owner.path, owner.configs())


async def list_topics_configs(call: V3Call) -> object:
    """List the configs of all topics."""
    topics = call.bus.broker.topics
    found = (
        each
        for name in sorted(topic.name for topic in topics)
        if topics.get(name) is not None
        for each in _Owner(call, topic=name).configs()
    )
    return call.collection("TopicConfig", ("topics", "-", "configs"), found)


async def list_brokers_configs(call: V3Call) -> object:
    """List the configs of all brokers."""
    numbers = [each.node_id for each in await call.cluster.brokers()]
    found = [each for number in numbers for each in _Owner(call, broker=number).configs()]
    return call.collection("BrokerConfig", ("brokers", "-", "configs"), found)


async def read_config(call: V3Call) -> object:
    """Tell the value of a config, and where it is set."""
    found = _Owner(call).configs([call.path("config")])
    if not found:
        raise RequestError(404, f"Config {call.path('config')[:300]} cannot be found.")
    return found[0]


async def set_config(call: V3Call) -> object:
    """Set a config."""
    body = await call.body()
    change = ConfigChange(name=call.path("config"), value=config_value(body))
    await _Owner(call).alter([change])
    return web.Response(status=204)


async def reset_config(call: V3Call) -> object:
    """Take a config back to its default."""
    change = ConfigChange(
        name=call.path("config"), value=None, operation=ConfigOperation.DELETE.value
    )
    await _Owner(call).alter([change])
    return web.Response(status=204)


async def alter_configs(call: V3Call) -> object:
    """Set several configs and take others back to their defaults, all or none."""
    body = await call.body()
    changes = [_change(each) for each in objects(body, "data")]
    await _Owner(call).alter(changes, validate_only=body.get("validate_only") is True)
    return web.Response(status=204)


def _change(asked: dict[str, Any]) -> ConfigChange:
    operation = str(asked.get("operation") or "SET").upper()
    if operation not in ("SET", "DELETE"):
        raise RequestError(422, "operation is SET or DELETE")
    return ConfigChange(
        name=field(asked, "name", str, required=True),
        value=config_value(asked) if operation == "SET" else None,
        operation=ConfigOperation[operation].value,
    )
