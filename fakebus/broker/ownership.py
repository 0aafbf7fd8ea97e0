"""Owners of topics: which services may write where a topic says that only they may."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection

from fakebus.broker.activity import Origin
from fakebus.errors import BrokerError, ErrorCode
from fakebus.escaping import printable
from fakebus.limited_log import LimitedLog

ServiceOf = Callable[[Origin], str]
"""Tells which service a client is."""

_limited = LimitedLog(logging.getLogger("fakebus.broker"))
_OURS = frozenset(("fixtures", "test", "library", "registry"))
"""The front ends of those who write in the place of services: seeds, tests, the bus itself."""
_NUMBER = re.compile(r"[-_.#][0-9]{1,20}\Z")


def client_service(origin: Origin) -> str:
    """Return what a client calls itself, without the number of its instance."""
    return _NUMBER.sub("", origin.client_id)


def check_owner(
    topic: str, producers: Collection[str], service_of: ServiceOf, origin: Origin
) -> None:
    """Refuse what others than the producers of a topic write.

    Args:
        topic: its name.
        producers: the services that may write.
        service_of: tells which service a client is.
        origin: the client.

    Raises:
        BrokerError: TOPIC_AUTHORIZATION_FAILED.
    """
    if origin.front_end in _OURS:
        return
    names = origin.client_id, client_service(origin), service_of(origin)
    if any(name in producers for name in names):
        return
    message = (
        f"{printable(origin.client_id or names[-1] or str(origin))} must not write to {topic}: "
        f"only {', '.join(sorted(producers))} may, as fakebus.producers says"
    )
    _limited.warning("%s", message)
    raise BrokerError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, message)
