"""Explanation of a consumer group: the list of all causes, likeliest first, and what holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fakebus.lineage.why.cause import Cause
from fakebus.lineage.why.deliveries import poison_record
from fakebus.lineage.why.membership import idle_members, no_member, not_subscribed, rebalancing
from fakebus.lineage.why.offsets import (
    commit_refused,
    offset_out_of_range,
    open_transaction,
    waits_at_latest,
)
from fakebus.lineage.why.progress import not_committing, not_fetching, slow
from fakebus.lineage.why.sharing import (
    begins_at_latest,
    given_back,
    given_up,
    none_fetching,
    not_acknowledging,
)
from fakebus.lineage.why.surroundings import fault_or_throttle, unknown_topic, unreachable_address
from fakebus.lineage.why.view import GroupView

CAUSES: tuple[Callable[[GroupView], Iterator[Cause]], ...] = (
    fault_or_throttle,
    unreachable_address,
    unknown_topic,
    poison_record,
    commit_refused,
    no_member,
    rebalancing,
    offset_out_of_range,
    open_transaction,
    not_fetching,
    not_subscribed,
    not_committing,
    idle_members,
    waits_at_latest,
    slow,
)
"""All causes, the likeliest first: where several hold, the first ones tend to bring the others."""

SHARE_CAUSES: tuple[Callable[[GroupView], Iterator[Cause]], ...] = (
    fault_or_throttle,
    unreachable_address,
    unknown_topic,
    given_back,
    given_up,
    no_member,
    open_transaction,
    none_fetching,
    not_subscribed,
    not_acknowledging,
    begins_at_latest,
    slow,
)
"""Those of share groups, whose members commit nothing and have no partition to themselves."""


def explain(view: GroupView) -> dict[str, Any]:
    """Return what is the matter with a group, as ``fakebus why --json`` prints it."""
    all_causes = SHARE_CAUSES if view.shares else CAUSES
    causes = [found.told() for cause in all_causes for found in cause(view)]
    return {
        "group": view.name,
        "state": view.state,
        "lag": view.lag,
        "well": not causes,
        "causes": causes,
    }
