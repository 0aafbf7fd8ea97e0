"""Owners of topics: which services may write where a topic says that only they may."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from fakebus.broker.activity import Origin
from fakebus.broker.peer import Peer
from fakebus.errors import BrokerError, ErrorCode
from fakebus.escaping import printable
from fakebus.limited_log import LimitedLog

ServiceOf = Callable[[Origin], str]
"""Tells which service a client is."""

SEEDER = "fakebus-seed "
"""What client ids begin with of those who seed from outside; the file follows that they write."""
_T = TypeVar("_T")
_limited = LimitedLog(logging.getLogger("fakebus.broker"))
_OURS = frozenset(("fixtures", "test", "library", "registry"))
"""The front ends of those who write in the place of services: seeds, tests, the bus itself."""
_NUMBER = re.compile(r"[-_.#][0-9]{1,20}\Z")


def client_service(origin: Origin) -> str:
    """Return what a client calls itself, without the number of its instance."""
    return _NUMBER.sub("", origin.client_id)


class UnknownPeerError(BrokerError):
    """It is not known yet which process a client is, and so whether it may write.

    Args:
        peer: the client's end of the connection, which is being looked for.
        message: why it is refused, should nothing be found.
    """

    def __init__(self, peer: Peer, message: str) -> None:
        super().__init__(ErrorCode.TOPIC_AUTHORIZATION_FAILED, message)
        self.peer = peer


async def when_known(produce: Callable[[], Awaitable[_T]]) -> _T:
    """Return what a call of :meth:`Broker.produce` gives, as soon as its client is known."""
    try:
        return await produce()
    except UnknownPeerError as unknown:
        await unknown.peer.known()
    return await produce()


def check_owner(
    topic: str, producers: Collection[str], service_of: ServiceOf, origin: Origin, *, looks: bool
) -> None:
    """Refuse what others than the producers of a topic write.

    Args:
        topic: its name.
        producers: the services that may write.
        service_of: tells which service a client is.
        origin: the client.
        looks: whether processes of clients are looked for.

    Raises:
        UnknownPeerError: the client's process is still being looked for.
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
    if looks and origin.peer is not None and not origin.peer.looked_up:
        raise UnknownPeerError(origin.peer, message)
    _limited.warning("%s", message)
    raise BrokerError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, message)
