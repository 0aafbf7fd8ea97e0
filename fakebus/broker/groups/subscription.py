"""Which topics a consumer subscribes to, read from what it sends when it joins.

Members speak Kafka's ``ConsumerProtocol`` with each other through the coordinator, which
passes the bytes on. Only this much is read: whether offsets of a topic may be deleted or
expire depends on it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

CONSUMER_PROTOCOL_TYPE = "consumer"
"""The ``protocol_type`` of groups whose members speak this protocol."""

_HEAD = struct.Struct(">hi")
_LENGTH = struct.Struct(">h")


def subscribed_topics(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """Return the topics of all members, ``None`` if one cannot be read.

    All versions of a subscription begin as version 0 does: an int16 version and an array
    of strings.
    """
    topics: set[str] = set()
    try:
        for subscription in subscriptions:
            topics.update(_topics(subscription))
    except (struct.error, UnicodeDecodeError):
        return None
    return frozenset(topics)


def _topics(subscription: bytes) -> Iterable[str]:
    _, count = _HEAD.unpack_from(subscription)
    at = _HEAD.size
    # Each name takes the bytes of its length at least: a count that lies costs nothing.
    if not 0 <= count <= (len(subscription) - at) // _LENGTH.size:
        raise struct.error(f"{count} topics do not fit into the subscription")
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(subscription, at)
        at += _LENGTH.size
        if length < 0:
            raise struct.error(f"a topic's name has a length of {length}")
        (name,) = struct.unpack_from(f"{length}s", subscription, at)
        at += length
        yield name.decode()
