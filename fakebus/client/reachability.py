"""Addresses of a cluster, and whether anything listens there."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fakebus.addresses import Address, parse_address
from fakebus.config import DEFAULT_KAFKA_PORT

CONNECT_TIMEOUT_S = 2.0


def parse_servers(text: str) -> tuple[Address, ...]:
    """Return the addresses that a text names, separated by commas.

    Raises:
        ConfigError: one of them is not an address.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(parse_address(part, DEFAULT_KAFKA_PORT) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectProblem:
    """Reason why no TCP connection comes about."""

    address: Address
    unresolved: bool = False
    """The host name means nothing here."""
    refused: bool = False
    """The host answers that nothing listens on the port."""
    reason: str

    def __str__(self) -> str:
        """Return the reason, to be put behind the address."""
        return self.reason


def connect_problem(address: Address, timeout: float = CONNECT_TIMEOUT_S) -> ConnectProblem | None:
    """Return why a connection to an address fails, or ``None`` when it succeeds.

    Args:
        address: where to connect.
        timeout: seconds to wait for an answer.
    """
    try:
        socket.create_connection(address, timeout).close()
    except socket.gaierror:
        return ConnectProblem(
            address=address, unresolved=True, reason=f"the host name {address.host} is unknown here"
        )
    except ConnectionRefusedError:
        return ConnectProblem(
            address=address, refused=True, reason=f"nothing listens on port {address.port}"
        )
    except TimeoutError:
        return ConnectProblem(address=address, reason=f"no answer within {timeout:g} s")
    except OSError as error:
        return ConnectProblem(address=address, reason=error.strerror or str(error))
    return None


def connect_problems(
    addresses: Iterable[Address], timeout: float = CONNECT_TIMEOUT_S
) -> list[ConnectProblem]:
    """Return the problems of all addresses that cannot be reached; tried at the same time.

    Args:
        addresses: where to connect.
        timeout: seconds to wait for each.
    """
    wanted = list(addresses)
    if not wanted:
        return []
    with ThreadPoolExecutor(max_workers=min(len(wanted), 16)) as threads:
        found = threads.map(lambda address: connect_problem(address, timeout), wanted)
        return [problem for problem in found if problem is not None]
