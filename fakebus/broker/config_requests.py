"""What clients ask of the config administration, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from fakebus.broker.configs.definition import ConfigKey
from fakebus.broker.configs.values import ConfigType, split_list
from fakebus.errors import BrokerError, ErrorCode


class ConfigResourceType(Enum):
    """Kind of resource that configs belong to, with Kafka's numbers."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigOperation(Enum):
    """Operation on one config, with Kafka's numbers."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class ConfigChange(NamedTuple):
    """One config that a client wants to change."""

    name: str
    value: str | None
    operation: int = ConfigOperation.SET.value


class ResourceChange(NamedTuple):
    """The changes that a client wants of one resource; all of them are made, or none."""

    resource_type: int
    resource_name: str
    changes: Sequence[ConfigChange]


class ResourceResult(NamedTuple):
    """Outcome of a :class:`ResourceChange`."""

    resource_type: int
    resource_name: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None


def operation_of(change: ConfigChange) -> ConfigOperation:
    """Return what a change does.

    Raises:
        BrokerError: INVALID_REQUEST: there is no such operation.
    """
    try:
        return ConfigOperation(change.operation)
    except ValueError:
        raise BrokerError(
            ErrorCode.INVALID_REQUEST, f"{change.name}: there is no operation {change.operation}"
        ) from None


def changed_list(
    key: ConfigKey | None, change: ConfigChange, current: str | None, operation: ConfigOperation
) -> str:
    """Return a list config after elements were added to it or taken from it.

    Args:
        key: the config; ``None`` when its name is not known.
        change: gives the elements.
        current: the resource's own value; its default counts when it has none.
        operation: APPEND or SUBTRACT.

    Raises:
        BrokerError: INVALID_CONFIG: it is not a list.
    """
    if key is None or key.type is not ConfigType.LIST:
        raise BrokerError(
            ErrorCode.INVALID_CONFIG,
            f"{change.name} is not a list, so {operation.name} does not apply",
        )
    elements = split_list((key.default or "") if current is None else current)
    named = split_list(change.value or "")
    if operation is ConfigOperation.APPEND:
        elements += [element for element in dict.fromkeys(named) if element not in elements]
    else:
        elements = [element for element in elements if element not in named]
    return ",".join(elements)
