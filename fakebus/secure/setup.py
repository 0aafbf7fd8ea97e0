"""Setup of a bus that clients have to log in to, kept in a directory."""

from __future__ import annotations

import datetime
import json
import os
import secrets
import socket
from dataclasses import replace
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from fakebus.addresses import KafkaAddress
from fakebus.broker.security.acls import WILDCARD, Acl
from fakebus.broker.security.authorizer import CLASS_NAME
from fakebus.broker.security.resources import Operation, PatternType, Permission, ResourceType
from fakebus.errors import ConfigError
from fakebus.output_files import replacing
from fakebus.real_time import now_ms

if TYPE_CHECKING:
    from fakebus.broker.broker import Broker
    from fakebus.config import Settings

ADMIN, APP = "admin", "app"
"""A super user, and one that may use every topic, group and transactional id."""
CLIENTS = (
    "librdkafka.properties",
    "java.properties",
    "kafkajs.js",
    "aiokafka.py",
    "franz-go.go",
    "sarama.go",
)
_FOR_APP = (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
_HOSTS = ("localhost", "127.0.0.1", "::1", "fakebus", "host.docker.internal")
_STATE = "setup.json"


class SecureSetup:
    """Certificates and users of a bus.

    They stay as they are as long as the directory is there, so that clients need no new settings.

    Args:
        directory: made if it is not there; only its owner may read what is in it.
        settings: the bus's settings, without any security.

    Raises:
        ConfigError: the directory cannot be written, or holds files of others.
        MissingExtraError: a package for certificates is not installed.
    """

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._directory = directory.absolute()
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._passwords = self._prepared(_hosts(settings))
        except OSError as error:
            raise ConfigError(f"--secure: {directory} cannot be used: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                f"--secure: {directory / _STATE} was not written by fakebus; name another directory"
            ) from None

    def _prepared(self, hosts: list[str]) -> dict[str, str]:
        now = datetime.datetime.fromtimestamp(now_ms() / 1000, datetime.UTC)
        state = self._state()
        users = {user: str(state["users"][user]) for user in (ADMIN, APP)}
        expires = datetime.datetime.fromisoformat(state.get("expires", now.isoformat()))
        soon = now + datetime.timedelta(days=1)
        if state.get("hosts") != hosts or expires < soon:
            from fakebus.secure.certificates import new_certificates

            made = new_certificates(hosts, now)
            self._write("ca.pem", made.authority)
            self._write("broker.pem", made.broker)
            told = {"hosts": hosts, "expires": made.expires.isoformat(), "users": users}
            self._write(_STATE, json.dumps(told, indent=2) + "\n")
        return users

    def _state(self) -> dict[str, Any]:
        """Return what the directory says of itself; it says so before anything else is in it.

        Raises:
            ConfigError: files of others have names that are written here.
        """
        file = self._directory / _STATE
        if file.exists():
            state: dict[str, Any] = json.loads(file.read_text())
            return state
        written = {"ca.pem", "broker.pem", *CLIENTS, *(f"{ADMIN}.{name}" for name in CLIENTS)}
        if there := written.intersection(os.listdir(self._directory)):
            raise ConfigError(
                f"--secure: {self._directory / min(there)} was not written by fakebus and would be "
                "overwritten; name another directory"
            )
        state = {"users": {user: secrets.token_urlsafe(18) for user in (ADMIN, APP)}}
        self._write(_STATE, json.dumps(state))
        return state

    def _write(self, name: str, text: str) -> None:
        with replacing(self._directory / name, 0o600) as beside:
            beside.write_text(text)

    def applied_to(self, settings: Settings) -> Settings:
        """Return settings with TLS, a login and ACLs; what is set by hand stays."""
        users = ",".join(f"{user}:{password}" for user, password in self._passwords.items())
        configs = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._directory / "broker.pem"),
            "authorizer.class.name": CLASS_NAME,
            "super.users": f"User:{ADMIN}",
            "fakebus.sasl.users": users,
            **settings.set,
        }
        kafka = tuple(
            address
            if isinstance(address, KafkaAddress)
            else KafkaAddress(address.host, address.port, "SASL_SSL")
            for address in settings.kafka
        )
        return replace(settings, kafka=kafka, set=configs)

    async def grant(self, broker: Broker) -> None:
        """Let the user of services use everything, unless there are ACLs already.

        Raises:
            StorageError: the ACLs could not be stored.
        """
        authorizer = broker.security.authorizer
        if authorizer is not None and not authorizer.has_acls:
            pattern = WILDCARD, PatternType.LITERAL, f"User:{APP}", WILDCARD
            await authorizer.create(
                [Acl(kind, *pattern, Operation.ALL, Permission.ALLOW) for kind in _FOR_APP]
            )

    def client_settings(self, bootstrap_servers: str) -> dict[str, str]:
        """Return what clients set, by library; written into the directory, too.

        Args:
            bootstrap_servers: where clients connect.

        Raises:
            ConfigError: the directory cannot be written.
        """
        values = {
            "bootstrap_servers": bootstrap_servers,
            "authority": (self._directory / "ca.pem").as_posix(),
        }
        templates = resources.files("fakebus.secure") / "clients"
        texts = {}
        try:
            for name in CLIENTS:
                template = Template((templates / f"{name}.txt").read_text(encoding="utf-8"))
                texts[name], of_admin = (
                    template.substitute(values, user=user, password=self._passwords[user])
                    for user in (APP, ADMIN)
                )
                self._write(name, texts[name])
                self._write(f"{ADMIN}.{name}", of_admin)
        except OSError as error:
            raise ConfigError(f"--secure: {self._directory} cannot be written: {error}") from None
        return texts

    def description(self, bootstrap_servers: str) -> list[str]:
        """Return lines that tell people how clients log in."""
        lines = [
            f"Clients log in as {APP}; {ADMIN} may do everything. The settings of both, and the",
            f"certificate of the authority, are in {self._directory}.",
        ]
        for name, text in self.client_settings(bootstrap_servers).items():
            lines += ["", f"# {name}", *text.splitlines()]
        return lines


def _hosts(settings: Settings) -> list[str]:
    advertised = [address.host for address in settings.advertise if address is not None]
    bound = [address.host for address in settings.kafka]
    hosts = dict.fromkeys((*_HOSTS, socket.gethostname(), *advertised, *bound))
    return [host for host in hosts if host not in ("0.0.0.0", "::", "")]  # noqa: S104 - left out
