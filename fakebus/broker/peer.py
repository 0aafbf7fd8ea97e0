"""Other ends of connections, and which processes they turn out to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakebus.processes import Process


@dataclass(slots=True, eq=False, kw_only=True)
class Peer:
    """Other end of a connection."""

    host: str
    port: int
    local_port: int
    """The port of ours that it connected to."""
    local_host: str = ""
    listener: str = ""
    software: str = ""
    """What the client library calls itself, and its version."""
    process: Process | None = None
    """Its process, if it is one of this machine and was found."""
    host_name: str = ""
    """The name of its address, if that is not this machine's."""
    looked_up: bool = False
    """Whether no more will be found out about it; what has waited for that is called then."""
    on_looked_up: list[Callable[[], object]] = field(default_factory=list)

    async def known(self) -> None:
        """Return when no more will be found out about it."""
        if not self.looked_up:
            found = asyncio.Event()
            self.on_looked_up.append(found.set)
            await found.wait()
