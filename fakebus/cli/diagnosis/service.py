"""Find out what speaks on a port: Kafka, HTTP, TLS, or nothing that we know."""

from __future__ import annotations

import secrets
import socket
import ssl
import struct
from enum import Enum

from fakebus.addresses import Address

PROBE_TIMEOUT_S = 1.5
_API_VERSIONS = 18
_TLS_ALERT_OR_HANDSHAKE = (b"\x15\x03", b"\x16\x03")


class Service(Enum):
    """Protocol that a port speaks."""

    KAFKA = "Kafka"
    HTTP = "HTTP"
    TLS = "TLS"
    UNKNOWN = "something unknown"


def identify(address: Address) -> Service:
    """Return what speaks on an address that accepts connections.

    It is asked as a Kafka client, then as a browser, then as a TLS client, each on a
    connection of its own; the first answer that makes sense decides.
    """
    correlation_id = secrets.randbits(31)
    # ApiVersions version 0, the one request that every Kafka broker answers before any
    # login (KIP-35): size, API key, version, correlation id, no client id.
    request = struct.pack(">ihhih", 10, _API_VERSIONS, 0, correlation_id, -1)
    answer = _ask(address, request)
    if answer[4:8] == struct.pack(">i", correlation_id):
        return Service.KAFKA
    if answer.startswith(b"HTTP/"):
        return Service.HTTP
    if answer.startswith(_TLS_ALERT_OR_HANDSHAKE):
        return Service.TLS
    if _ask(address, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/"):
        return Service.HTTP
    return Service.TLS if _speaks_tls(address) else Service.UNKNOWN


def _ask(address: Address, request: bytes) -> bytes:
    """Return the first bytes of the answer; none if there is no answer."""
    answer = b""
    try:
        with socket.create_connection(address, PROBE_TIMEOUT_S) as connection:
            connection.sendall(request)
            while len(answer) < 8 and (more := connection.recv(8 - len(answer))):
                answer += more
    except OSError:
        # Closed or silent: what came before that is all there is to judge by.
        return answer
    return answer


def _speaks_tls(address: Address) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whose certificate it is does not matter for what is spoken, and nothing is sent.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(address, PROBE_TIMEOUT_S) as connection,
            context.wrap_socket(connection, server_hostname=address.host),
        ):
            return True
    except ssl.SSLError as error:
        # An alert from the server, such as a demand for a client certificate, is TLS too.
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
