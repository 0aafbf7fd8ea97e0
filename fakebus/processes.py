"""Processes behind the sockets of this machine, as far as Linux tells."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import time
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
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
_ROUTES = Path("/proc/net/route")
_SOCK_DIAG, _BY_FAMILY = 4, 20
"""The netlink protocol that tells of single sockets and its message, see sock_diag(7)."""
_REQUEST = struct.Struct("=IHHII BBBBI")
"""Length, type, flags, number and port of a message; family, protocol, two unused, states."""
_IDS = struct.Struct("!HH16s16s12s")
"""Ports and addresses of the socket's end and of the other one; any interface, any cookie."""
_ANY = b"\0\0\0\0" + b"\xff" * 8
_ANSWER = struct.Struct("=IHHII 68x I")
"""A message, and of what it tells the inode."""


class Connection(NamedTuple):
    """Connection, seen from the end whose process is looked for."""

    host: str
    port: int
    other_host: str
    other_port: int


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
        (_host(host), int(inode))
        for host, port, _, state, inode in _sockets(proc, {address.port})
        if state == _LISTEN and port == address.port
    ]
    exact = [inode for host, inode in listeners if host == wanted]
    inodes = exact or [inode for _, inode in listeners]
    owners = owners_of(inodes, (), proc)
    return next((owners[inode] for inode in inodes if inode in owners), None)


class SocketDiagnosis:
    """Questions to the kernel about single sockets of this machine, each a few microseconds."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._asked = 0

    def inode(self, connection: Connection) -> int | None:
        """Return the inode of a socket; 0 when none is open, ``None`` when that cannot be told."""
        host, other_host = (_unmapped(each) for each in (connection.host, connection.other_host))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            ends = socket.inet_pton(family, host), socket.inet_pton(family, other_host)
            if self._socket is None:
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
                self._socket.setblocking(False)
            self._asked += 1
            ids = _IDS.pack(connection.port, connection.other_port, *ends, _ANY)
            size = _REQUEST.size + len(ids)
            head = size, _BY_FAMILY, 1, self._asked, 0
            what = family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF
            self._socket.sendto(_REQUEST.pack(*head, *what) + ids, (0, 0))
            return _answer(self._socket, self._asked)
        except (OSError, AttributeError, struct.error):
            # No such address, no netlink, or nothing that it may tell.
            return None

    def close(self) -> None:
        """Ask no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _answer(netlink: socket.socket, question: int) -> int:
    while True:
        # The kernel has answered when the question was sent.
        answer = netlink.recv(4096)
        _, kind, _, number, _ = struct.unpack_from("=IHHII", answer)
        if number == question:
            break
    if kind == _BY_FAMILY:
        return int(_ANSWER.unpack_from(answer)[-1])
    error = -struct.unpack_from("=i", answer, 16)[0]
    if error != errno.ENOENT:
        raise OSError(error, os.strerror(error))
    return 0


def _unmapped(host: str) -> str:
    # A socket for both families is found by the address of the one that it uses.
    return host[7:] if host.startswith("::ffff:") and "." in host else host


def inodes_of(connections: Collection[Connection], proc: Path = _PROC) -> dict[Connection, int]:
    """Return the inodes of sockets as the table of all sockets tells, which may take long."""
    wanted = {(each.port, each.other_port): each for each in connections}
    found: dict[Connection, int] = {}
    for _, port, other, _, inode in _sockets(proc, {port for port, _ in wanted}):
        if (port, other) in wanted and inode != "0":
            found[wanted[port, other]] = int(inode)
            if len(found) == len(wanted):
                break
    return found


def owners_of(
    inodes: Collection[int],
    likely: Iterable[int],
    proc: Path = _PROC,
    *,
    within_s: float | None = None,
) -> dict[int, Process]:
    """Return the processes that have sockets open.

    Args:
        inodes: the sockets.
        likely: the ids of processes that are tried first.
        proc: where the proc file system is.
        within_s: for how much of a processor's time they are tried, then the newest ones; all are
            when left out. Where others keep the machine busy, time alone would soon be over.
    """
    missing = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, Process] = {}
    end = None if within_s is None else time.thread_time() + within_s
    tried: set[int] = set()
    # All processes are listed only if the likely ones are none of them.
    for pid in chain(likely, all_processes(proc)) if missing else ():
        if pid in tried:
            continue
        tried.add(pid)
        process = None
        for name in _open_files(proc / str(pid) / "fd"):
            if end is not None and time.thread_time() > end:
                return found
            if (inode := missing.pop(name, None)) is not None:
                process = process or _process(pid, proc / str(pid))
                found[inode] = process
            if not missing:
                return found
    return found


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


def all_processes(proc: Path = _PROC) -> Iterator[int]:
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
    for name in reversed(names[-_MOST_SOCKETS:]):
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


def default_gateway(routes: Path = _ROUTES) -> str | None:
    """Return the default route's gateway from the kernel's table, little-endian hex."""
    try:
        lines = routes.read_text().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 2 and fields[1] == "00000000" and fields[2] != "00000000":
            octets = bytes.fromhex(fields[2])[::-1]
            return ".".join(map(str, octets))
    return None
