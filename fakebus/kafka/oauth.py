"""Tokens of OAUTHBEARER: unsecured ones for development, and ones that a key of a JWKS has signed.

Without ``sasl.oauthbearer.jwks.endpoint.url`` a token is a JWS without a signature (RFC 7515, its
``alg`` is ``none``), as for Kafka's OAuthBearerUnsecuredValidatorCallbackHandler: no proof.
With it, the keys are read from a file or fetched from a server on this machine, again whenever a
token names a key that is not known.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from urllib.request import urlopen

from fakebus.addresses import http_url
from fakebus.errors import ConfigError, MissingExtraError
from fakebus.input_files import read_at_most
from fakebus.kafka.sasl import AuthenticationFailed

if TYPE_CHECKING:
    from jwt import PyJWK

    from fakebus.broker.configs.broker_config import BrokerConfig

_ENDPOINT = "sasl.oauthbearer.jwks.endpoint.url"
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures with a key pair: who checks a token with a shared secret could make it, too."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_KEY_BYTES = 1024 * 1024
_FETCH_S = 5
_UNREADABLE = (OSError, ValueError, RecursionError, HTTPException)
_FETCH_PAUSE_S = 1.0
_MOST_TOKEN_LETTERS = 64 * 1024
_log = logging.getLogger("fakebus.kafka")


class TokenValidator:
    """Validator of the tokens that clients log in with.

    Args:
        config: the broker's ``sasl.oauthbearer.*``.
        now_ms: gives the time in milliseconds since 1970.
        monotonic_s: gives a time in seconds that does not jump.

    Raises:
        ConfigError: the keys cannot be read, or are not on this machine.
        MissingExtraError: signed tokens need a package that is not there.
    """

    def __init__(
        self,
        config: BrokerConfig,
        *,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._now_ms = now_ms
        self._skew_s = config.get_int("sasl.oauthbearer.clock.skew.seconds")
        self._subject = config.get_str("sasl.oauthbearer.sub.claim.name")
        self._audience = config.get_list("sasl.oauthbearer.expected.audience")
        self._issuer = config.get_str("sasl.oauthbearer.expected.issuer")
        url = config.get_str("sasl.oauthbearer.jwks.endpoint.url").strip()
        self._keys = KeySet(url, monotonic_s) if url else None

    def validate(self, token: str) -> tuple[str, int]:
        """Return whose token it is, and when it expires in milliseconds since 1970.

        Raises:
            AuthenticationFailed: it is not valid.
        """
        if len(token) > _MOST_TOKEN_LETTERS or token.count(".") != 2:
            raise AuthenticationFailed("the token is no JWS in compact form")
        claims = self._unsecured(token) if self._keys is None else self._signed(token, self._keys)
        now_s = self._now_ms() / 1000
        expires = _seconds(claims, "exp")
        if expires is None:
            raise AuthenticationFailed("the token has no claim exp")
        if now_s - self._skew_s >= expires:
            raise AuthenticationFailed("the token has expired")
        for name in ("nbf", "iat"):
            begins = _seconds(claims, name)
            if begins is not None and now_s + self._skew_s < begins:
                raise AuthenticationFailed(f"the token is not valid yet, says its claim {name}")
        self._check_parties(claims)
        subject = claims.get(self._subject)
        if not isinstance(subject, str) or not subject:
            raise AuthenticationFailed(f"the token has no text as claim {self._subject}")
        return subject, int(expires * 1000)

    def _check_parties(self, claims: dict[str, Any]) -> None:
        if self._issuer and claims.get("iss") != self._issuer:
            raise AuthenticationFailed("the token is of another issuer")
        if self._audience:
            found = claims.get("aud")
            audiences = found if isinstance(found, list) else [found]
            if not any(each in self._audience for each in audiences):
                raise AuthenticationFailed("the token is for another audience")

    def _unsecured(self, token: str) -> dict[str, Any]:
        header, payload, signature = token.split(".")
        if _object(header, "header").get("alg") != "none" or signature:
            raise AuthenticationFailed(
                f"the token is signed, and {_ENDPOINT} does not say by which keys"
            )
        return _object(payload, "payload")

    def _signed(self, token: str, keys: KeySet) -> dict[str, Any]:
        import jwt

        header = _object(token.partition(".")[0], "header")
        algorithm = header.get("alg")
        if algorithm not in _ALGORITHMS:
            raise AuthenticationFailed("the token is not signed by a key pair")
        key = keys.find(header.get("kid"))
        options: Any = {
            name: False
            for name in ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss")
        }
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm], options=options)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise AuthenticationFailed(f"the token is not valid: {error}") from None
        return dict(claims)


class KeySet:
    """Public keys that tokens are signed with, by their ids (RFC 7517).

    Args:
        url: ``file:`` or a path, or an address of this machine.
        monotonic_s: gives the time in seconds.

    Raises:
        ConfigError: the file cannot be read, or the address is another machine's.
    """

    def __init__(self, url: str, monotonic_s: Callable[[], float]) -> None:
        self._url = url
        self._monotonic_s = monotonic_s
        self._by_id: dict[str | None, PyJWK] = {}
        self._fetched_s = float("-inf")
        self._fetching = threading.Lock()
        served, self._path = http_url(url), None
        if url.startswith("file:") or "://" not in url:
            self._path = Path(unquote(url.removeprefix("file:").removeprefix("//")))
        elif served is None or served.hostname not in _LOOPBACK:
            raise ConfigError(
                f"{_ENDPOINT}: {url!r} is neither a file nor an address of this machine, such as "
                "http://localhost:8080/jwks.json"
            )
        elif served.username is not None:
            raise ConfigError(f"{_ENDPOINT} takes no user and no password: keys are public")
        try:
            import jwt  # noqa: F401
        except ImportError:
            raise MissingExtraError("OAUTHBEARER with signed tokens", "oauth") from None
        try:
            self._read()
        except _UNREADABLE as error:
            if self._path is not None:
                raise ConfigError(f"{_ENDPOINT}: {url} cannot be read: {error}") from None
            _log.warning("%s: %s cannot be read yet: %s", _ENDPOINT, url, error)

    def find(self, key_id: object) -> PyJWK:
        """Return a key.

        Raises:
            AuthenticationFailed: it is not there; if it may be by now, the keys are fetched again.
        """
        name = key_id if isinstance(key_id, str) else None
        if name is None and len(self._by_id) == 1:
            return next(iter(self._by_id.values()))
        known = self._by_id.get(name)
        if known is not None:
            return known
        if self._monotonic_s() - self._fetched_s >= _FETCH_PAUSE_S:
            self._fetched_s = self._monotonic_s()
            # The event loop does not wait for it; the client tries again.
            threading.Thread(target=self._fetch, name="fakebus-jwks", daemon=True).start()
        raise AuthenticationFailed("the token is signed by a key that is not known (yet)")

    def _fetch(self) -> None:
        with self._fetching:
            try:
                self._read()
            except _UNREADABLE as error:
                _log.warning("%s: %s cannot be read: %s", _ENDPOINT, self._url, error)

    def _read(self) -> None:
        import jwt

        if self._path is not None:
            text = read_at_most(self._path, _MOST_KEY_BYTES)
        else:
            with urlopen(self._url, timeout=_FETCH_S) as answer:  # noqa: S310 - checked above
                text = answer.read(_MOST_KEY_BYTES)
        try:
            found = jwt.PyJWKSet.from_json(text.decode())
        except (jwt.PyJWTError, AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it is no JWKS: {error}") from None
        self._by_id = {key.key_id: key for key in found.keys}


def _object(part: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise AuthenticationFailed(f"the {name} of the token is no JSON object in base64")
    return value


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**50:
        raise AuthenticationFailed(f"the token's claim {name} is no time")
    return value
