"""Processes behind connections of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakebus import processes
from fakebus.processes import Connection, SocketDiagnosis, inodes_of, owners_of


@pytest.fixture
def diagnosis() -> Iterator[SocketDiagnosis]:
    diagnosis = SocketDiagnosis()
    yield diagnosis
    diagnosis.close()


def seen(client: socket.socket) -> Connection:
    return Connection(*client.getsockname()[:2], *client.getpeername()[:2])


def inode_of(client: socket.socket) -> int:
    return os.fstat(client.fileno()).st_ino


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_kernel_tells_of_one_connection_what_its_table_of_all_tells(
    diagnosis: SocketDiagnosis, host: str
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        connection = seen(client)
        assert diagnosis.inode(connection) == inode_of(client)
        assert inodes_of([connection]) == {connection: inode_of(client)}


def test_a_client_that_uses_a_socket_for_both_families_is_found(
    diagnosis: SocketDiagnosis,
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client,
    ):
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        assert client.getsockname()[0] == "::ffff:127.0.0.1"
        assert diagnosis.inode(seen(client)) == inode_of(client)
        as_the_server_sees_it = Connection(
            "127.0.0.1", client.getsockname()[1], "127.0.0.1", server.getsockname()[1]
        )
        assert diagnosis.inode(as_the_server_sees_it) == inode_of(client)


def test_a_connection_that_is_closed_has_no_socket_and_one_without_an_address_cannot_be_told(
    diagnosis: SocketDiagnosis,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            connection = seen(client)
        assert diagnosis.inode(connection) == 0
    assert diagnosis.inode(Connection("127.0.0.1", 1, "127.0.0.1", 2)) == 0
    assert diagnosis.inode(Connection("", 1, "", 2)) is None


def test_processes_are_looked_through_as_long_as_others_may_wait() -> None:
    with socket.socket() as own:
        inode = inode_of(own)
        for likely in (os.getpid(), os.getppid()):
            assert owners_of([inode], [likely])[inode].pid == os.getpid()
            assert owners_of([inode], [likely], within_s=-1) == {}
        assert owners_of([inode], [os.getpid()], within_s=5)[inode].pid == os.getpid()


def test_all_processes_are_listed_only_when_the_likely_ones_are_none_of_the_owners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listings: list[Path] = []

    def listed(proc: Path) -> Iterator[int]:
        listings.append(proc)
        yield os.getpid()

    monkeypatch.setattr(processes, "all_processes", listed)
    with socket.socket() as own:
        inode = inode_of(own)
        assert owners_of([inode], [1 << 30, os.getpid()])[inode].pid == os.getpid()
        assert listings == []
        assert owners_of([inode], [1 << 30])[inode].pid == os.getpid()
        assert len(listings) == 1


def test_without_proc_nobody_owns_anything(tmp_path: Path) -> None:
    assert owners_of([1], [os.getpid()], tmp_path) == {}
    assert inodes_of([Connection("127.0.0.1", 1, "127.0.0.1", 2)], tmp_path) == {}
