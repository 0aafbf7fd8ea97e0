"""Which process listens on a port of this machine, as far as Linux's /proc tells."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fakebus.addresses import Address

_LISTEN = "0A"
_COMMAND_SHOWN = 100


class PortOwner(NamedTuple):
    """Process with a listening socket."""

    process_id: int
    command: str
    """Program and arguments."""

    def __str__(self) -> str:
        """Return words for a sentence."""
        return f"process {self.process_id} ({self.command})"


def port_owner(address: Address, proc: Path = Path("/proc")) -> PortOwner | None:
    """Return who listens on an address of this machine.

    Args:
        address: the host decides only when several processes share the port number.
        proc: where the proc file system is.

    Returns:
        ``None`` if no process does, if it belongs to another user or container, or if
        there is no /proc.
    """
    try:
        wanted = str(socket.getaddrinfo(address.host, None)[0][4][0])
    except OSError:
        wanted = address.host
    listeners = list(_listeners(address.port, proc))
    exact = [inode for host, inode in listeners if host == wanted]
    for inode in exact or [inode for _, inode in listeners]:
        for directory in proc.iterdir():
            if directory.name.isdigit() and _has_socket(directory / "fd", inode):
                return PortOwner(int(directory.name), _command(directory))
    return None


def _listeners(port: int, proc: Path) -> Iterator[tuple[str, str]]:
    """Yield host and inode of the sockets that listen on a port.

    The columns of proc(5): 1 is local address:port in hex, 3 the state, 9 the inode.
    """
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()
        except OSError:
            continue
        for fields in map(str.split, lines[1:]):
            if len(fields) >= 10 and fields[3] == _LISTEN:
                host, _, number = fields[1].rpartition(":")
                if int(number, 16) == port:
                    yield _host(host), fields[9]


def _host(text: str) -> str:
    # The kernel prints each 32-bit word in the machine's own byte order.
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))


def _has_socket(descriptors: Path, inode: str) -> bool:
    try:
        return any(str(entry.readlink()) == f"socket:[{inode}]" for entry in descriptors.iterdir())
    except OSError:
        # Another user's process, or one that has just ended.
        return False


def _command(directory: Path) -> str:
    try:
        words = (directory / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    text = " ".join(words).strip() or "no command line"
    return text if len(text) <= _COMMAND_SHOWN else text[: _COMMAND_SHOWN - 3] + "..."
