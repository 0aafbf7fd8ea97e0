"""Delegation tokens: credentials that a user who has logged in hands to workers (KIP-48, 373)."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import os
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.values import Values
from fakebus.clock import Clock
from fakebus.errors import BrokerError, ErrorCode
from fakebus.limited_log import LimitedLog
from fakebus.scram_keys import SCRAM_ITERATIONS, ScramKeys, derive_keys

_log = LimitedLog(logging.getLogger("fakebus.broker"))

MOST_TOKENS = 10_000
"""That a bus keeps; they all are in memory."""
_SALT_BYTES = 16
_FOREVER_MS = 2**63 - 1


class DelegationToken(NamedTuple):
    """Delegation token; principals are written as ``User:alice``, times are in milliseconds."""

    token_id: str
    owner: str
    requester: str
    renewers: list[str]
    issued_ms: int
    expires_ms: int
    ends_ms: int
    """When it expires for good, however often it is renewed."""

    def concerns(self, principal: str) -> bool:
        """Return whether a principal may see it."""
        return principal in (self.owner, self.requester, *self.renewers)


class DelegationTokens:
    """Delegation tokens of a bus; there are none without ``delegation.token.secret.key``.

    Args:
        values: where they are kept.
        config: the broker's.
        clock: tells when they expire.
    """

    def __init__(self, values: Values, config: BrokerConfig, clock: Clock) -> None:
        self._values = values
        self._config = config
        self._clock = clock
        self._secret = config.get_str("delegation.token.secret.key").encode()
        self._tokens: dict[str, DelegationToken] = {}
        self._by_hmac: dict[bytes, str] = {}
        self.load()

    def load(self) -> None:
        """Take in what is stored."""
        tokens = (DelegationToken(*json.loads(text)) for text in self._values.all().values())
        self._keep({token.token_id: token for token in tokens})

    def _keep(self, tokens: dict[str, DelegationToken]) -> None:
        self._tokens = tokens
        self._by_hmac = {self.hmac_of(token_id): token_id for token_id in tokens}

    def hmac_of(self, token_id: str) -> bytes:
        """Return what proves that somebody has the token."""
        return hmac.digest(self._secret or b"-", token_id.encode(), "sha512")

    def check_enabled(self) -> None:
        """Accept that tokens are used.

        Raises:
            BrokerError: DELEGATION_TOKEN_AUTH_DISABLED.
        """
        if not self._secret:
            raise BrokerError(ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED)

    async def create(
        self, owner: str, requester: str, renewers: Iterable[str], max_lifetime_ms: int
    ) -> DelegationToken:
        """Return a new token.

        Args:
            owner: who those are that log in with it.
            requester: who has asked for it.
            renewers: who may renew it, besides the owner.
            max_lifetime_ms: how long it may live; as long as the config says if not positive.

        Raises:
            BrokerError: tokens are not enabled, or there are too many.
            StorageError: it could not be stored.
        """
        self.check_enabled()
        now_ms = self._clock.now_ms()
        longest_ms = self._config.get_int("delegation.token.max.lifetime.ms")
        if max_lifetime_ms > 0:
            longest_ms = min(longest_ms, max_lifetime_ms)
        ends_ms = min(now_ms + longest_ms, _FOREVER_MS)
        period_ms = self._config.get_int("delegation.token.expiry.time.ms")
        token = DelegationToken(
            secrets.token_urlsafe(16).replace("-", "_"),  # no option of a command begins like it
            owner,
            requester,
            list(renewers),
            now_ms,
            min(ends_ms, now_ms + period_ms),
            ends_ms,
        )
        gone = [old.token_id for old in self._tokens.values() if self._is_gone(old)]
        if len(self._tokens) - len(gone) >= MOST_TOKENS:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST, f"a bus keeps no more than {MOST_TOKENS} tokens"
            )
        await self._change({**dict.fromkeys(gone), token.token_id: token})
        return token

    async def renew(self, key: bytes, principal: str, period_ms: int) -> int:
        """Let a token live longer; return when it expires.

        Args:
            key: its HMAC.
            principal: who asks for it.
            period_ms: for how long; as long as the config says if not positive.

        Raises:
            BrokerError: there is no such token, it has expired, or belongs to somebody else.
            StorageError: it could not be stored.
        """
        token = self._find(key)
        self._check_alive(token)
        _check_owner(token, principal)
        longest_ms = self._config.get_int("delegation.token.expiry.time.ms")
        if period_ms > 0:
            longest_ms = min(longest_ms, period_ms)
        return await self._expire_in(token, longest_ms)

    async def expire(self, key: bytes, principal: str, period_ms: int) -> int:
        """Let a token expire at another time, or end now; return when it expires.

        Args:
            key: its HMAC.
            principal: who asks for it.
            period_ms: in how long; negative for now.

        Raises:
            BrokerError: there is no such token, it has expired, or belongs to somebody else.
            StorageError: it could not be stored.
        """
        token = self._find(key)
        _check_owner(token, principal)
        if period_ms < 0:
            await self._change({token.token_id: None})
            _log.log(
                logging.INFO, "deleted, as %s has asked: the token %s", principal, token.token_id
            )
            return self._clock.now_ms()
        self._check_alive(token)
        return await self._expire_in(token, period_ms)

    async def _expire_in(self, token: DelegationToken, period_ms: int) -> int:
        expires_ms = min(token.ends_ms, self._clock.now_ms() + period_ms)
        await self._change({token.token_id: token._replace(expires_ms=expires_ms)})
        return expires_ms

    def all(self) -> list[DelegationToken]:
        """Return the tokens that are there; what has expired is for a while.

        Raises:
            BrokerError: DELEGATION_TOKEN_AUTH_DISABLED.
        """
        self.check_enabled()
        return [token for token in self._tokens.values() if not self._is_gone(token)]

    def login(self, hash_name: str, token_id: str) -> tuple[ScramKeys, str, int] | None:
        """Return what a client with a token proves, whose name it bears, and when it expires.

        ``None`` if there is no such token, or none any more.
        """
        token = self._tokens.get(token_id)
        if not self._secret or token is None or token.expires_ms < self._clock.now_ms():
            return None
        password = base64.b64encode(self.hmac_of(token_id)).decode()
        keys = derive_keys(hash_name, password, os.urandom(_SALT_BYTES), SCRAM_ITERATIONS)
        return keys, token.owner.partition(":")[2], token.expires_ms

    def _find(self, key: bytes) -> DelegationToken:
        self.check_enabled()
        token = self._tokens.get(self._by_hmac.get(key, ""))
        if token is None or self._is_gone(token):
            raise BrokerError(ErrorCode.DELEGATION_TOKEN_NOT_FOUND)
        return token

    def _check_alive(self, token: DelegationToken) -> None:
        if token.expires_ms < self._clock.now_ms():
            raise BrokerError(ErrorCode.DELEGATION_TOKEN_EXPIRED)

    def _is_gone(self, token: DelegationToken) -> bool:
        look_ms = self._config.get_int("delegation.token.expiry.check.interval.ms")
        return token.expires_ms + look_ms < self._clock.now_ms()

    async def _change(self, changes: dict[str, DelegationToken | None]) -> None:
        before = self._tokens
        after = {**before, **changes}
        self._keep({token_id: token for token_id, token in after.items() if token is not None})
        named = {
            token_id: None if token is None else json.dumps(token)
            for token_id, token in changes.items()
        }
        await self._values.set_all(named, lambda: self._keep(before))


def _check_owner(token: DelegationToken, principal: str) -> None:
    if principal not in (token.owner, *token.renewers):
        raise BrokerError(ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH)
