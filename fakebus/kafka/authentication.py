"""Where the authentication of one connection stands, without I/O.

Behaviour (Kafka's SaslServerAuthenticator):
    * Before a client is authenticated it may only ask for ApiVersions and authenticate.
    * After a failure, or a mechanism that is not enabled, it gets the answer and is dropped.
    * With ``connections.max.reauth.ms`` a session ends (KIP-368): the client authenticates
      again on the same connection, as the same user by the same mechanism, before the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fakebus.errors import ErrorCode
from fakebus.kafka import sasl
from fakebus.protocol.api_keys import ApiKey

_API_VERSIONS = int(ApiKey.API_VERSIONS)
_SASL_HANDSHAKE = int(ApiKey.SASL_HANDSHAKE)
_SASL_AUTHENTICATE = int(ApiKey.SASL_AUTHENTICATE)
_ALWAYS = frozenset((_API_VERSIONS, _SASL_HANDSHAKE, _SASL_AUTHENTICATE))


class SaslPolicy:
    """Policy of a listener: how its clients log in.

    Args:
        credentials: who may.
        mechanisms: gives the mechanisms that are enabled, asked for every handshake.
        session_ms: gives how long a session lasts in milliseconds, 0 for ever.
        monotonic_s: gives a time in seconds that does not jump.
        now_ms: gives the time in milliseconds since 1970.
    """

    __slots__ = ("credentials", "mechanisms", "monotonic_s", "now_ms", "session_ms")

    def __init__(
        self,
        credentials: sasl.Credentials,
        *,
        mechanisms: Callable[[], Sequence[str]],
        session_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self.credentials = credentials
        self.mechanisms = mechanisms
        self.session_ms = session_ms
        self.monotonic_s = monotonic_s
        self.now_ms = now_ms


class SaslSession:
    """The authentication of one connection."""

    __slots__ = (
        "_exchange",
        "_expires_s",
        "_mechanism",
        "_policy",
        "_raw",
        "_versions_told",
        "by_token",
        "session_lifetime_ms",
        "user",
    )

    def __init__(self, policy: SaslPolicy) -> None:
        self.user: str | None = None
        """Who the client is, once that is proved."""
        self.by_token = False
        """Whether it has proved that by a delegation token."""
        self.session_lifetime_ms = 0
        """How long the client may go on before it authenticates again; 0 for ever."""
        self._policy = policy
        self._mechanism = ""
        self._exchange: sasl.Mechanism | None = None
        self._raw = False
        self._versions_told = False
        self._expires_s: float | None = None

    @property
    def expects_raw_token(self) -> bool:
        """Whether the next frame is a bare token, as after version 0 of the handshake."""
        return self._raw and self._exchange is not None

    @property
    def authenticating(self) -> bool:
        """Whether a handshake was made and tokens are to come."""
        return self._exchange is not None

    def tell_versions(self) -> None:
        """Note that the client knows our versions; it may ask only once before it logs in."""
        self._versions_told = True

    def is_out_of_place(self, api_key: int) -> bool:
        """Return whether a request comes between a handshake and its tokens.

        Kafka answers such a one with ILLEGAL_SASL_STATE and closes the connection.
        """
        return self._exchange is not None and api_key != _SASL_AUTHENTICATE

    def refusal(self, api_key: int) -> str | None:
        """Return why the connection is to be closed without an answer, ``None`` if it is not."""
        if self.user is None and self._exchange is None:
            if api_key == _SASL_HANDSHAKE or (api_key == _API_VERSIONS and not self._versions_told):
                return None
            return "it has to authenticate first"
        if api_key in _ALWAYS:
            return None
        if self._expires_s is not None and self._policy.monotonic_s() >= self._expires_s:
            return "its session is over and it has not authenticated again"
        return None

    def enabled_mechanisms(self) -> list[str]:
        """Return the mechanisms that a client may choose from."""
        return list(self._policy.mechanisms())

    def handshake(self, mechanism: str, *, raw_tokens: bool) -> ErrorCode:
        """Begin to authenticate, or to do so again.

        Args:
            mechanism: what the client has chosen.
            raw_tokens: whether the tokens come without Kafka's request headers.
        """
        for_good = self.user is not None and self._policy.session_ms() <= 0
        if self._exchange is not None or for_good:
            return ErrorCode.ILLEGAL_SASL_STATE
        if mechanism not in self._policy.mechanisms():
            return ErrorCode.UNSUPPORTED_SASL_MECHANISM
        if self.user is None:
            self._mechanism = mechanism
        elif mechanism != self._mechanism:
            return ErrorCode.UNSUPPORTED_SASL_MECHANISM
        self._raw = raw_tokens
        self._exchange = sasl.start(mechanism, self._policy.credentials)
        return ErrorCode.NONE

    def authenticate(self, token: bytes) -> bytes:
        """Return the answer to a token of the client.

        Raises:
            AuthenticationFailed: the connection has to be closed after telling the client.
        """
        assert self._exchange is not None  # noqa: S101 - a handshake comes first
        answer = self._exchange.respond(token)
        user = self._exchange.user
        if user is not None:
            self.by_token = self._exchange.by_token
            self._finish(user, self._exchange.expires_ms)
        return answer

    def _finish(self, user: str, expires_ms: int | None) -> None:
        if self.user not in (None, user):
            raise sasl.AuthenticationFailed(
                f"Cannot change principals during re-authentication from User:{self.user} "
                f"to User:{user}"
            )
        self.user = user
        self._exchange = None
        # A session of unlimited length outlives the token that it began with, as in Kafka.
        lifetime_ms = max(self._policy.session_ms(), 0)
        if lifetime_ms and expires_ms is not None:
            lifetime_ms = min(lifetime_ms, max(expires_ms - self._policy.now_ms(), 1))
        self.session_lifetime_ms = lifetime_ms
        self._expires_s = (
            self._policy.monotonic_s() + lifetime_ms / 1000 if lifetime_ms > 0 else None
        )
