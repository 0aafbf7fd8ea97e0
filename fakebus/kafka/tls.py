"""The TLS of listeners, from Kafka's ``ssl.*`` configs; certificates and keys are PEM."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fakebus.errors import ConfigError

if TYPE_CHECKING:
    from fakebus.broker.configs.broker_config import BrokerConfig

_CLIENT_AUTH = {
    "none": ssl.CERT_NONE,
    "requested": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_SHORT_NAMES = {
    "commonName": "CN",
    "organizationalUnitName": "OU",
    "organizationName": "O",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "countryName": "C",
    "domainComponent": "DC",
    "userId": "UID",
}


def server_context(config: BrokerConfig) -> ssl.SSLContext:
    """Return what a TLS listener needs.

    Args:
        config: the broker's; ``ssl.keystore.*``, ``ssl.truststore.*``, ``ssl.client.auth``,
            ``ssl.key.password`` and ``ssl.enabled.protocols`` are read.

    Raises:
        ConfigError: something is missing or cannot be read; says what to set.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = _enabled_versions(config.get_list("ssl.enabled.protocols"))
    context.minimum_version, context.maximum_version = min(versions), max(versions)
    _load_own_certificate(context, config)
    context.verify_mode = _CLIENT_AUTH[config.get_str("ssl.client.auth")]
    if context.verify_mode is not ssl.CERT_NONE:
        _load_client_authorities(context, config)
    return context


def _enabled_versions(names: Sequence[str]) -> list[ssl.TLSVersion]:
    unknown = [name for name in names if name not in _VERSIONS]
    if unknown or not names:
        raise ConfigError(
            f"ssl.enabled.protocols: {', '.join(unknown) or 'an empty list'} is not served; "
            f"there are {', '.join(_VERSIONS)}"
        )
    return [_VERSIONS[name] for name in names]


def _load_own_certificate(context: ssl.SSLContext, config: BrokerConfig) -> None:
    password = config.get_str("ssl.key.password")
    location = config.get_str("ssl.keystore.location")
    chain = config.get_str("ssl.keystore.certificate.chain")
    key = config.get_str("ssl.keystore.key")
    if chain or key:
        if not (chain and key):
            raise ConfigError(
                "ssl.keystore.certificate.chain and ssl.keystore.key belong together; set both"
            )
        _load_chain(context, chain, key, password)
    elif location:
        _demand_pem("keystore", config.get_str("ssl.keystore.type"))
        with _explained("ssl.keystore.location", location):
            context.load_cert_chain(location, password=lambda: password)
    else:
        raise ConfigError(
            "a TLS listener needs a certificate: set ssl.keystore.location to a PEM file with "
            "the private key and the certificate chain, and ssl.keystore.type=PEM"
        )


def _load_chain(context: ssl.SSLContext, chain: str, key: str, password: str) -> None:
    # Python loads keys from files only; this one is gone before anybody is served.
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{key}\n{chain}\n")
        with _explained("ssl.keystore.certificate.chain", "with ssl.keystore.key"):
            context.load_cert_chain(path, password=lambda: password)
    finally:
        os.unlink(path)


def _load_client_authorities(context: ssl.SSLContext, config: BrokerConfig) -> None:
    location = config.get_str("ssl.truststore.location")
    certificates = config.get_str("ssl.truststore.certificates")
    if certificates:
        with _explained("ssl.truststore.certificates", "(PEM)"):
            context.load_verify_locations(cadata=certificates)
    elif location:
        _demand_pem("truststore", config.get_str("ssl.truststore.type"))
        with _explained("ssl.truststore.location", location):
            context.load_verify_locations(location)
    else:
        raise ConfigError(
            f"ssl.client.auth={config.get_str('ssl.client.auth')} needs to know whose "
            "certificates to believe: set ssl.truststore.location to a PEM file, and "
            "ssl.truststore.type=PEM"
        )


def _demand_pem(store: str, kind: str) -> None:
    if kind != "PEM":
        raise ConfigError(
            f"ssl.{store}.type is {kind}, and only PEM files can be read: "
            f"convert the file and set ssl.{store}.type=PEM"
        )


class _explained:  # noqa: N801 - used like a function
    """Turns what goes wrong in its block into a ConfigError that names the config."""

    def __init__(self, name: str, place: str) -> None:
        self._what = f"{name} {place}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ssl.SSLError):
            reason = error.reason or str(error)
            raise ConfigError(f"{self._what} does not hold what it should: {reason}") from error
        if isinstance(error, OSError):
            raise ConfigError(f"{self._what} cannot be read: {error.strerror}") from error


def principal(peer_certificate: object) -> str | None:
    """Return the name in a client's certificate as Kafka writes principals.

    Args:
        peer_certificate: as :meth:`ssl.SSLSocket.getpeercert` returns it.
    """
    if not isinstance(peer_certificate, dict) or not peer_certificate.get("subject"):
        return None
    # RFC 2253 begins with the last part.
    parts = [
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in part)
        for part in reversed(peer_certificate["subject"])
    ]
    return f"User:{','.join(parts)}"


def _escape(value: str) -> str:
    return "".join(f"\\{char}" if char in ',+"\\<>;' else char for char in value)
