"""Which process listens on a port of this machine, as far as Linux's /proc tells."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from fakebus.addresses import Address

_LISTEN = "0A"
_COMMAND_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOwner:
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
    listeners = _listening_inodes(address.port, proc)
    wanted = _numeric(address.host)
    exact = [inode for host, inode in listeners if host == wanted]
    for inode in exact or [inode for _, inode in listeners]:
        owner = _owner_of(inode, proc)
        if owner is not None:
            return owner
    return None


def _numeric(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None)[0][4][0])
    except OSError:
        return host


def _listening_inodes(port: int, proc: Path) -> list[tuple[str, str]]:
    """Read the columns of proc(5): 1 is local address:port in hex, 3 the state, 9 the inode."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in _lines(proc / "net" / table)[1:]:
            fields = line.split()
            if len(fields) < 10 or fields[3] != _LISTEN:
                continue
            host, _, number = fields[1].rpartition(":")
            if int(number, 16) == port:
                found.append((_host(host), fields[9]))
    return found


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _host(text: str) -> str:
    # The kernel prints each 32-bit word in the machine's own byte order.
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))


def _owner_of(inode: str, proc: Path) -> PortOwner | None:
    for directory in proc.iterdir():
        if directory.name.isdigit() and _has_socket(directory / "fd", inode):
            return PortOwner(process_id=int(directory.name), command=_command(directory))
    return None


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
