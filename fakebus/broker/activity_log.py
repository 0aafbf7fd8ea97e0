"""Debug log of what clients do: a line each, and a single one for what they do all the time."""

from __future__ import annotations

import logging

from fakebus.broker.activity import MOST_REMEMBERED, Activity
from fakebus.limited_log import LimitedLog
from fakebus.types import TopicPartition

logger = logging.getLogger("fakebus.clients")

_LINES_A_MINUTE = 600
_SENTENCES = {
    "connects": "connects with {detail}",
    "joined": "joins group {group} to read {detail}",
    "was assigned": "is assigned {detail} in group {group}",
    "found": "goes on where group {group} has committed {offset} for {place}",
    "looked up": "is told that the {detail} offset of {place} is {offset}",
    "asked for": "asks for topic {topic}, which was not there",
    "fetches": "fetches {place} from offset {offset} on",
    "produced": "produces to {topic}",
    "replayed": "replays {detail} to {topic}",
    "committed": "commits offset {offset} of {place} for group {group}",
}
_ONCE = ("fetches", "produced")
"""What is told once for each client and topic."""


class ActivityLog:
    """Log of what clients do, for :attr:`Activities.on_note`."""

    def __init__(self) -> None:
        self._log = LimitedLog(logger, _LINES_A_MINUTE)
        self._seen: set[tuple[object, ...]] = set()

    def __call__(self, activity: Activity) -> None:
        """Write a line for an activity, unless it is one that was told before."""
        sentence = _SENTENCES.get(activity.verb)
        if sentence is None or self._is_repeated(activity):
            return
        origin = activity.origin
        offset: object = activity.offset
        if activity.verb == "found" and activity.offset < 0:
            offset = "nothing"
        told = sentence.format(
            topic=activity.topic,
            place=TopicPartition(activity.topic, activity.partition),
            offset=offset,
            group=activity.group,
            detail=activity.detail or "nothing",
        )
        connection = f" (connection {origin.connection_id})" if origin.connection_id >= 0 else ""
        self._log.log(logging.DEBUG, "%s%s %s", origin, connection, told)

    def _is_repeated(self, activity: Activity) -> bool:
        if activity.verb not in _ONCE:
            return False
        partition = activity.partition if activity.verb == "fetches" else -1
        key = activity.verb, activity.origin.client_id, activity.topic, partition
        if key in self._seen:
            return True
        if len(self._seen) >= MOST_REMEMBERED:
            self._seen.clear()
        self._seen.add(key)
        return False
