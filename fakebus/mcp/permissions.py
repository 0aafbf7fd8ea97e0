"""The one gate before everything that changes something."""

from __future__ import annotations

from fakebus.errors import FakebusError


class NotAllowedError(FakebusError):
    """Error: a tool would change something, and the server may only read."""


class Permissions:
    """Permissions of a server, asked before every call of a tool.

    Args:
        writes: whether tools may change something.
    """

    def __init__(self, *, writes: bool) -> None:
        self.writes = writes

    def demand(self, tool: str, *, changes: bool) -> None:
        """Return if a tool may be used.

        Args:
            tool: its name.
            changes: whether it changes something.

        Raises:
            NotAllowedError: it does, and that is not allowed.
        """
        if changes and not self.writes:
            raise NotAllowedError(
                f"{tool} changes the bus, and this server was started for reading only; whoever "
                "starts it can allow that with  fakebus mcp --allow-writes"
            )
