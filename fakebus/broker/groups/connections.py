"""Connections of members that are to leave their groups when they close."""

from __future__ import annotations

from collections.abc import Callable

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.registry import GroupRegistry


class GroupConnections:
    """Connections that members join through while ``fakebus.evict.on.disconnect`` is on.

    Args:
        config: the broker's configs.
        groups: all groups.
    """

    def __init__(self, config: BrokerConfig, groups: GroupRegistry) -> None:
        self._config = config
        self._groups = groups
        self._connections: set[object] = set()

    def watch(self, connection: object) -> bool:
        """Return whether :meth:`closed` has to be called for a connection: once for each."""
        if connection in self._connections:
            return False
        if not self._config.get_bool("fakebus.evict.on.disconnect"):
            return False
        self._connections.add(connection)
        return True

    def closed(self, connection: object, is_here: Callable[[str], bool] = lambda _: True) -> None:
        """Remove the members that joined last through this connection.

        Args:
            connection: what was closed.
            is_here: tells of which groups, by name; all when left out.
        """
        self._connections.discard(connection)
        for group in self._groups:
            if is_here(group.group_id):
                self._groups.type_of(group).remove_connected(group, connection)
