"""Client metrics subscriptions (KIP-714). They are kept and shown; no client is asked for metrics.

Source: Kafka's ClientMetricsConfigs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fakebus.broker.configs.definition import find
from fakebus.broker.configs.keys import CLIENT_METRICS_KEYS
from fakebus.broker.configs.values import split_list
from fakebus.errors import BrokerError, ConfigError, ErrorCode

_SELECTORS = (
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
)


def check_subscription(configs: Mapping[str, str]) -> None:
    """Check the configs of one subscription.

    Raises:
        BrokerError: INVALID_REQUEST for an unknown name or a bad value, INVALID_CONFIG for a
            selector of clients that is none.
    """
    for name, text in configs.items():
        try:
            find(CLIENT_METRICS_KEYS, name, "client metrics").parse(text)
        except ConfigError as error:
            raise BrokerError(ErrorCode.INVALID_REQUEST, str(error)) from None
    for selector in split_list(configs.get("match", "")):
        name, _, pattern = selector.partition("=")
        if name.strip() not in _SELECTORS or not _compiles(pattern):
            raise BrokerError(
                ErrorCode.INVALID_CONFIG,
                f"match: {selector!r} is not NAME=PATTERN with one of {', '.join(_SELECTORS)}",
            )


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return bool(pattern)
