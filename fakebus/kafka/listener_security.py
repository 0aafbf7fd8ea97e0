"""How the clients of SASL listeners log in, from the broker's configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakebus.broker.configs.broker_config import BrokerConfig, ConfigSource
from fakebus.errors import ConfigError
from fakebus.kafka.authentication import SaslPolicy
from fakebus.kafka.sasl import MECHANISMS, Credentials, parse_users

if TYPE_CHECKING:
    from fakebus.clock import Clock

_ENABLED = "sasl.enabled.mechanisms"


def sasl_policy(config: BrokerConfig, clock: Clock) -> SaslPolicy:
    """Return how clients log in.

    Mechanisms and the length of sessions follow the configs while the broker runs.

    Args:
        config: the broker's; ``fakebus.sasl.users``, ``sasl.enabled.mechanisms`` and
            ``connections.max.reauth.ms`` are read.
        clock: what sessions are measured by.

    Raises:
        ConfigError: there are no users, or no mechanism that can be served.
    """
    users = config.get_str("fakebus.sasl.users")
    if not users.strip(" ,"):
        raise ConfigError(
            "a SASL listener needs users: set fakebus.sasl.users, as in "
            "--set fakebus.sasl.users=alice:secret,bob:pw"
        )
    chosen = _chosen(config)
    unknown = [name for name in chosen if name not in MECHANISMS]
    if unknown or not chosen:
        raise ConfigError(
            f"{_ENABLED}: {', '.join(unknown) or 'an empty list'} cannot be served; "
            f"there are {', '.join(MECHANISMS)}"
        )
    return SaslPolicy(
        Credentials(parse_users(users)),
        mechanisms=lambda: [name for name in _chosen(config) if name in MECHANISMS],
        session_ms=lambda: config.get_int("connections.max.reauth.ms"),
        monotonic_s=clock.monotonic,
    )


def _chosen(config: BrokerConfig) -> list[str]:
    # Kafka's default, GSSAPI, needs a Kerberos server, which nobody has next to a fake.
    if next(config.settings(_ENABLED)).source is ConfigSource.DEFAULT:
        return list(MECHANISMS)
    return config.get_list("sasl.enabled.mechanisms")
