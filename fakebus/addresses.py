"""Addresses of hosts and ports: how people write them, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from fakebus.errors import ConfigError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MOST_DIGITS = 9


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, with an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class KafkaAddress(Address):
    """An address where Kafka clients are served, and what is spoken there.

    It is the pair of host and port in every other respect.

    Args:
        host: the host.
        port: the port.
        protocol: one of :data:`SECURITY_PROTOCOLS`.
    """

    protocol: str

    def __new__(cls, host: str, port: int, protocol: str = "PLAINTEXT") -> Self:
        """Return the address."""
        address = super().__new__(cls, host, port)
        address.protocol = protocol
        return address

    def __getnewargs__(self) -> tuple[str, int, str]:
        """Return what a copy is made from."""
        return self.host, self.port, self.protocol


def protocol_of(address: Address) -> str:
    """Return what is spoken at an address; plain text where nothing else is said."""
    return address.protocol if isinstance(address, KafkaAddress) else "PLAINTEXT"


def parse_kafka_address(text: str, default_port: int | None = None) -> Address:
    """Return the address that ``[PROTOCOL://]HOST:PORT`` names.

    Args:
        text: what a person wrote; without a protocol it is PLAINTEXT.
        default_port: as for :func:`parse_address`.

    Raises:
        ConfigError: it is not an address, or there is no such protocol.
    """
    protocol, separator, rest = text.rpartition("://")
    if not separator:
        return parse_address(text, default_port)
    if protocol.upper() not in SECURITY_PROTOCOLS:
        raise ConfigError(
            f"{text!r}: there is no protocol {protocol!r}; there are "
            f"{', '.join(SECURITY_PROTOCOLS)}"
        )
    return KafkaAddress(*parse_address(rest, default_port), protocol.upper())


def parse_address(text: str, default_port: int | None = None) -> Address:
    """Return the address that ``host:port`` or ``[ipv6]:port`` names.

    Args:
        text: what a person wrote; ``:9092`` stands for 127.0.0.1.
        default_port: the port when there is none; without it a port is demanded.

    Raises:
        ConfigError: it is not an address.
    """
    if not text or not text.isprintable() or " " in text:
        raise ConfigError(f"{text!r} is not an address: write HOST:PORT, as in 127.0.0.1:9092")
    if "://" in text or ("[" in text) is not ("]" in text):
        raise ConfigError(f"{text!r} is not host:port: write 127.0.0.1:9092, or [::1]:9092")
    if not text.startswith("[") and text.count(":") > 1:
        raise ConfigError(f"{text!r} is not host:port; write an IPv6 address as [{text}]:PORT")
    host, colon, port = text.rpartition(":")
    if text.endswith("]"):
        host, colon, port = text, "", ""
    elif not colon:
        host, port = text, ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    _check_host(host, text)
    if not port:
        if default_port is None or colon:
            raise ConfigError(f"{text!r} is not an address: write HOST:PORT, as in 127.0.0.1:9092")
        return Address(host or "127.0.0.1", default_port)
    if not (port.isascii() and port.isdigit()) or len(port) > _MOST_DIGITS or int(port) > 65535:
        raise ConfigError(f"{text!r} is not an address: the port must be a number up to 65535")
    return Address(host or "127.0.0.1", int(port))


def http_url(text: str) -> SplitResult | None:
    """Return the parts of a URL of HTTP, whose port is one; ``None`` if it is no such URL."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of the port, or of brackets around what is no address
        return None
    return parts if is_one and text.isprintable() and " " not in text else None


def _check_host(host: str, text: str) -> None:
    if host == text and host.isdecimal():
        raise ConfigError(f"{text!r} is a port alone: write 127.0.0.1:{text}, or :{text}")
    try:
        # What resolvers do first, where this would be no error of theirs.
        host.encode("idna")
    except UnicodeError:
        raise ConfigError(
            f"{text!r} is not an address: {host!r} cannot be the name of a host"
        ) from None
