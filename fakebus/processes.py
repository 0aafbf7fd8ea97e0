"""Processes behind the sockets of this machine, as far as Linux's /proc tells."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from fakebus.addresses import Address

_LISTEN = "0A"
_SHOWN_LETTERS = 100
_MOST_LETTERS = 2000
"""Of a command line."""
_MOST_SOCKETS = 4096
"""Of a process that is looked through; the bus itself may have very many."""

_PROC = Path("/proc")
Ports = tuple[int, int]
"""A connection of this machine: the port of the process that is looked for, and the other end's."""


class Process(NamedTuple):
    """Process with a socket."""

    pid: int
    arguments: tuple[str, ...]
    """Program and arguments."""
    directory: str
    """Where it works; empty when that cannot be told."""
    started: int
    """When it began, in ticks since the machine did: no other process has both its pid and this."""

    @property
    def command(self) -> str:
        """Program and arguments as one text."""
        return " ".join(self.arguments).strip()

    def __str__(self) -> str:
        text = self.command or "no command line"
        if len(text) > _SHOWN_LETTERS:
            text = text[: _SHOWN_LETTERS - 3] + "..."
        return f"process {self.pid} ({text})"


def port_owner(address: Address, proc: Path = _PROC) -> Process | None:
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
    listeners = [
        (_host(host), inode)
        for host, port, _, state, inode in _sockets(proc, {address.port})
        if state == _LISTEN and port == address.port
    ]
    exact = [inode for host, inode in listeners if host == wanted]
    inodes = exact or [inode for _, inode in listeners]
    owners = _owners(inodes, (), proc)
    return next((owners[inode] for inode in inodes if inode in owners), None)


def processes_of(
    connections: Collection[Ports], known: Collection[int] = (), proc: Path = _PROC
) -> dict[Ports, Process]:
    """Return the processes at one end of connections, as far as they can be told.

    Args:
        connections: the ports of both ends.
        known: the ids of processes that are likely.
        proc: where the proc file system is.
    """
    wanted = set(connections)
    inodes: dict[str, Ports] = {}
    for _, port, other, _, inode in _sockets(proc, {port for port, _ in wanted}):
        if (port, other) in wanted and inode != "0":
            inodes[inode] = port, other
            if len(inodes) == len(wanted):
                break
    return {inodes[i]: process for i, process in _owners(inodes, known, proc).items()}


def host_name(host: str) -> str:
    """Return the name of the address of another machine, which may take long; empty for none."""
    try:
        if ipaddress.ip_address(host).is_loopback:
            return ""
        return socket.gethostbyaddr(host)[0]
    except (ValueError, OSError):
        return ""


def _sockets(proc: Path, ports: Collection[int]) -> Iterator[tuple[str, int, int, str, str]]:
    """Yield host, port, the other end's port, state and inode of the sockets with some ports.

    The columns of proc(5): 1 is local address:port in hex, 2 the remote one, 3 the state, 9 the
    inode.
    """
    wanted = {f"{port:04X}" for port in ports}
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            # There may be thousands of lines: most are looked at no further than their port.
            host, _, port = line.split(None, 2)[1].rpartition(":")
            if port in wanted and len(fields := line.split()) >= 10:
                other = int(fields[2].rpartition(":")[2], 16)
                yield host, int(port, 16), other, fields[3], fields[9]


def _host(text: str) -> str:
    # The kernel prints each 32-bit word in the machine's own byte order.
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))


def _owners(inodes: Collection[str], known: Collection[int], proc: Path) -> dict[str, Process]:
    """Return the processes that have sockets open: this one and known ones are tried first."""
    missing = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, Process] = {}
    if not missing:
        return found
    for pid in dict.fromkeys((os.getpid(), *known, *_all_processes(proc))):
        process = None
        for name in _open_files(proc / str(pid) / "fd"):
            if (inode := missing.pop(name, None)) is not None:
                process = process or _process(pid, proc / str(pid))
                found[inode] = process
        if not missing:
            break
    return found


def _all_processes(proc: Path) -> Iterator[int]:
    """Yield the processes that there are, the newest first."""
    try:
        numbers = [int(name) for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return
    yield from sorted(numbers, reverse=True)


def _open_files(directory: Path) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        # Another user's process, or one that has just ended.
        return
    for name in names[-_MOST_SOCKETS:]:
        try:
            yield os.readlink(directory / name)
        except OSError:
            continue


def _process(pid: int, directory: Path) -> Process:
    try:
        text = (directory / "cmdline").read_bytes()[:_MOST_LETTERS].decode(errors="replace")
        # The name of the program may hold blanks and brackets; the 20th word behind it counts.
        started = int((directory / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return Process(pid, (), "", 0)
    try:
        working = str((directory / "cwd").readlink())
    except OSError:
        working = ""
    return Process(pid, tuple(text.rstrip("\0").split("\0")), working, started)
