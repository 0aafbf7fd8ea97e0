"""Kafka's front end: one listener for each address, each with its protocol."""

from __future__ import annotations

from collections.abc import Iterator

from fakebus.addresses import Address, protocol_of
from fakebus.broker.configs.broker_config import BrokerConfig, ConfigSource
from fakebus.broker.fault import KAFKA
from fakebus.broker.security.security import Security
from fakebus.clock import Clock
from fakebus.errors import ConfigError
from fakebus.kafka.advertise import AdvertisedAddress, FixedAddress, auto_address
from fakebus.kafka.authentication import SaslPolicy
from fakebus.kafka.backpressure import Backpressure
from fakebus.kafka.listener import Listener
from fakebus.kafka.sasl import MECHANISMS, OAUTHBEARER, WITH_PASSWORDS, Credentials, parse_users
from fakebus.kafka.served import SERVED
from fakebus.protocol import codec
from fakebus.servers import Bus, reachable

_ENABLED = "sasl.enabled.mechanisms"


class KafkaServer:
    """Listeners of a bus for Kafka clients.

    Args:
        bus: answers the requests; its settings name the addresses.
    """

    scheme = "kafka"

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._siblings = list(self._create_listeners())
        self.listeners = [each for siblings in self._siblings for each in siblings]
        bus.broker.nodes.on_change.append(self._node_changed)
        bus.broker.faults.serve(KAFKA, map(codec.api_name, SERVED))

    def _create_listeners(self) -> Iterator[list[Listener]]:
        broker, addresses = self._bus.broker, self._bus.settings.kafka
        protocols = [protocol_of(address) for address in addresses]
        sasl = tls = None
        if any(protocol.startswith("SASL_") for protocol in protocols):
            sasl = sasl_policy(broker.config, self._bus.clock, broker.security)
        if any(protocol.endswith("SSL") for protocol in protocols):
            from fakebus.kafka.tls import server_context

            tls = server_context(broker.config)
        backpressure = Backpressure(broker)
        for index, (address, protocol) in enumerate(zip(addresses, protocols, strict=True)):
            siblings = [
                Listener(
                    broker,
                    node,
                    Address(address.host, address.port and address.port + number),
                    self._advertised(index),
                    name=protocol,
                    sasl=sasl if protocol.startswith("SASL_") else None,
                    ssl_context=tls if protocol.endswith("SSL") else None,
                    backpressure=backpressure,
                )
                for number, node in enumerate(broker.nodes)
            ]
            for listener in siblings:
                listener.siblings = siblings
            yield siblings

    def _advertised(self, index: int) -> AdvertisedAddress:
        address = self._bus.settings.advertised_for(index)
        return auto_address() if address is None else FixedAddress(*address)

    @property
    def addresses(self) -> list[Address]:
        """Where the listeners listen, the first node's before all others."""
        return [
            each.address for listeners in zip(*self._siblings, strict=True) for each in listeners
        ]

    async def bind(self) -> None:
        """Take all ports and have the broker's configs tell of them; see :class:`Server`."""
        for listener in self.listeners:
            await listener.bind()
        self._bus.broker.config.set_static(self._facts())

    def _facts(self) -> dict[str, str]:
        settings = self._bus.settings
        facts = {
            "process.roles": "broker,controller",
            "log.dirs": str(settings.data) if settings.data else "memory",
        }
        listening, told = [], []
        for index, (listener, *_) in enumerate(self._siblings):
            advertised = settings.advertised_for(index) or reachable(listener.address)
            listening.append(f"{listener.name}://{listener.address}")
            told.append(f"{listener.name}://{advertised}")
            for each in () if index else listener.siblings:
                port = advertised.port + each.address.port - listener.address.port
                self._bus.broker.nodes.addresses[each.node_id] = (
                    f"{each.name}://{Address(advertised.host, port)}"
                )
        if listening:
            facts["listeners"] = ",".join(listening)
            # Two listeners may be reached at one address, which the config then names once.
            facts["advertised.listeners"] = ",".join(dict.fromkeys(told))
        return facts

    async def _node_changed(self, node_id: int, running: bool) -> None:
        for listener in self.listeners:
            if listener.node_id != node_id:
                continue
            if running:
                await listener.bind()
                await listener.start()
            else:
                await listener.stop()

    async def start(self) -> None:
        """Serve clients."""
        for listener in self.listeners:
            await listener.start()

    async def close(self) -> None:
        """Stop listening, drop all clients and wait for what they had begun."""
        for listener in self.listeners:
            await listener.close()


def sasl_policy(config: BrokerConfig, clock: Clock, security: Security) -> SaslPolicy:
    """Return how clients log in.

    Mechanisms and the length of sessions follow the configs while the broker runs.

    Args:
        config: the broker's; ``fakebus.sasl.users``, ``sasl.enabled.mechanisms`` and
            ``connections.max.reauth.ms`` are read.
        clock: what sessions are measured by.
        security: knows the credentials that clients have made.

    Raises:
        ConfigError: there are no users, or no mechanism that can be served.
    """
    users = config.get_str("fakebus.sasl.users")
    chosen = _chosen(config)
    if not (users.strip(" ,") or OAUTHBEARER in chosen or security.scram.by_user()):
        raise ConfigError(
            "a SASL listener needs users: set fakebus.sasl.users, as in "
            "--set fakebus.sasl.users=alice:secret,bob:pw"
        )
    unknown = [name for name in chosen if name not in MECHANISMS]
    if unknown or not chosen:
        raise ConfigError(
            f"{_ENABLED}: {', '.join(unknown) or 'an empty list'} cannot be served; "
            f"there are {', '.join(MECHANISMS)}"
        )
    tokens = None
    if OAUTHBEARER in chosen:
        from fakebus.kafka.oauth import TokenValidator

        tokens = TokenValidator(config, now_ms=clock.now_ms, monotonic_s=clock.monotonic).validate
    return SaslPolicy(
        Credentials(
            parse_users(users),
            security.scram.keys,
            tokens,
            lambda hash_name, token_id: security.tokens.login(hash_name, token_id),
        ),
        mechanisms=lambda: [
            name
            for name in _chosen(config)
            if name in MECHANISMS and (name != OAUTHBEARER or tokens is not None)
        ],
        session_ms=lambda: config.get_int("connections.max.reauth.ms"),
        monotonic_s=clock.monotonic,
        now_ms=clock.now_ms,
    )


def _chosen(config: BrokerConfig) -> list[str]:
    # Kafka's default, GSSAPI, needs a Kerberos server, which nobody has next to a fake.
    if next(config.settings(_ENABLED)).source is ConfigSource.DEFAULT:
        return list(WITH_PASSWORDS)
    return config.get_list("sasl.enabled.mechanisms")
