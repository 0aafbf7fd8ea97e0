"""Who may do what: ACLs, credentials, quotas and delegation tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakebus.broker.configs.broker_config import BrokerConfig
    from fakebus.broker.security.authorizer import Authorizer
    from fakebus.broker.values import Values


def configured_authorizer(config: BrokerConfig, values: Values) -> Authorizer | None:
    """Return the authorizer that the configs ask for; most buses have none, and load none.

    Args:
        config: the broker's.
        values: where the ACLs are kept.

    Raises:
        ConfigError: the configs ask for something that there is not.
    """
    if not config.get_str("authorizer.class.name").strip():
        return None
    from fakebus.broker.security.authorizer import authorizer_of

    return authorizer_of(config, values)
