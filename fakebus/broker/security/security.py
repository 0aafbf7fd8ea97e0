"""What a bus keeps of who may do what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from fakebus.broker.configs.broker_config import BrokerConfig
    from fakebus.broker.security.authorizer import Authorizer
    from fakebus.broker.security.delegation_tokens import DelegationTokens
    from fakebus.broker.security.quotas import ClientQuotas
    from fakebus.broker.security.scram import ScramCredentials
    from fakebus.broker.values import Values
    from fakebus.clock import Clock

_KEPT = _ACLS, _SCRAM, _QUOTAS, _TOKENS = "acl ", "scram ", "quota ", "token "


class Security:
    """ACLs, credentials and the rest; a participant of snapshots.

    What most buses do not use is not loaded by them.

    Args:
        config: the broker's.
        values: gives the stored values that begin with a prefix.
        clock: tells when tokens expire.

    Raises:
        ConfigError: the configs ask for an authorizer that there is not.
    """

    name = "security"

    def __init__(self, config: BrokerConfig, values: Callable[[str], Values], clock: Clock) -> None:
        self._values = values
        self._config = config
        self._clock = clock
        self.limiting: ClientQuotas | None = None
        """The clients' quotas, where there are any."""
        self.authorizer: Authorizer | None = None
        """Decides what clients may do; they may do everything when it is ``None``."""
        if config.get_str("authorizer.class.name").strip():
            from fakebus.broker.security.authorizer import authorizer_of

            self.authorizer = authorizer_of(config, values(_ACLS))

    @cached_property
    def scram(self) -> ScramCredentials:
        """The SCRAM credentials that clients have made."""
        from fakebus.broker.security.scram import ScramCredentials

        return ScramCredentials(self._values(_SCRAM))

    @cached_property
    def quotas(self) -> ClientQuotas:
        """What clients may use."""
        from fakebus.broker.security.quotas import ClientQuotas

        return ClientQuotas(self._values(_QUOTAS), self._config, self._limit)

    @cached_property
    def tokens(self) -> DelegationTokens:
        """The delegation tokens that clients have made."""
        from fakebus.broker.security.delegation_tokens import DelegationTokens

        return DelegationTokens(self._values(_TOKENS), self._config, self._clock)

    def _limit(self, quotas: ClientQuotas) -> None:
        self.limiting = quotas if quotas.by_entity else None

    def load(self) -> None:
        """Take in what is stored."""
        if self.authorizer is not None:
            self.authorizer.load()
        if "quotas" in vars(self) or self._values(_QUOTAS).all():
            self.quotas.load()
        if "tokens" in vars(self):
            self.tokens.load()

    def mark(self) -> dict[str, dict[str, str]]:
        """Return all that is kept."""
        return {prefix: self._values(prefix).all() for prefix in _KEPT}

    async def roll_back(
        self, mark: Mapping[str, Mapping[str, str]], new_ids: Mapping[UUID, UUID]
    ) -> None:
        """Keep what was kept then, and nothing else.

        Raises:
            StorageError: that could not be stored.
        """
        for prefix, kept in mark.items():
            values = self._values(prefix)
            await values.set_all({**dict.fromkeys(values.all()), **kept})
        self.load()
