"""The features of the cluster and their levels (KIP-584), as a new cluster of Kafka 4.3 has them.

Clients look at them to find out what a cluster can do; nothing in here depends on them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from fakebus.errors import BrokerError, ErrorCode


class Feature(NamedTuple):
    """Feature with the levels that are supported and the one that is finalized."""

    name: str
    lowest: int
    highest: int
    level: int


FEATURES = (
    Feature("eligible.leader.replicas.version", 0, 1, 1),
    Feature("group.version", 0, 1, 1),
    Feature("kraft.version", 0, 1, 1),
    Feature("metadata.version", 7, 30, 30),
    Feature("share.version", 0, 1, 1),
    Feature("streams.version", 0, 1, 1),
    Feature("transaction.version", 0, 2, 2),
)
FEATURES_EPOCH = 0
"""How often the levels have changed."""


class UpgradeType(IntEnum):
    """Kind of a change of level."""

    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


def check_update(name: str, level: int, change: int) -> None:
    """Accept that a feature gets the level that it has.

    Args:
        name: the feature.
        level: the wanted level.
        change: the kind of change that is allowed.

    Raises:
        BrokerError: INVALID_UPDATE_VERSION for anything else.
    """
    feature = next((each for each in FEATURES if each.name == name), None)
    if change not in (*UpgradeType,):
        problem = f"there is no kind of change {change}"
    elif feature is None:
        problem = "there is no such feature"
    elif not feature.lowest <= level <= feature.highest:
        problem = f"only levels {feature.lowest} to {feature.highest} are supported"
    elif level < feature.level and change == UpgradeType.UPGRADE:
        problem = f"that would be a downgrade from {feature.level}"
    elif level != feature.level:
        problem = f"it stays at {feature.level} here"
    else:
        return
    raise BrokerError(
        ErrorCode.INVALID_UPDATE_VERSION,
        f"no feature was changed: {name} cannot get the level {level}: {problem}",
    )
