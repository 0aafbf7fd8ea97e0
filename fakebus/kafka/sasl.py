"""The server's side of the SASL mechanisms, without I/O: tokens in, tokens out.

PLAIN is RFC 4616; SCRAM-SHA-256 and SCRAM-SHA-512 are RFC 5802 and RFC 7677 without channel
binding. As in Kafka, user names are compared as they are, without SASLprep.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from fakebus.errors import ConfigError
from fakebus.scram_keys import SCRAM_ITERATIONS, ScramKeys, derive_keys

_NONCE_BYTES = 24
_SALT_BYTES = 16

_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
OAUTHBEARER = "OAUTHBEARER"
WITH_PASSWORDS = ("PLAIN", *_HASHES)
MECHANISMS = (*WITH_PASSWORDS, OAUTHBEARER)
"""Every mechanism there is, in the order in which clients are told."""

_NAME = r"(?:[^,=\0]|=2C|=3D)+"
_CLIENT_FIRST = re.compile(
    rf"(?P<gs2>[ny],(?:a=(?P<authzid>{_NAME}))?,)(?P<bare>n=(?P<user>{_NAME}),r=(?P<nonce>[!-+\--~]+)(?P<extensions>,.*)?)",
    re.DOTALL,
)
_CLIENT_FINAL = re.compile(
    r"(?P<unproved>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[!-+\--~]+)(?:,.*)?),p=(?P<proof>[A-Za-z0-9+/=]+)",
    re.DOTALL,
)


_BEARER = re.compile(
    rf"n,(?:a=(?P<authzid>{_NAME}))?,\x01(?:[A-Za-z]+=[^\x01]*\x01)*?"
    r"auth=(?i:bearer) +(?P<token>[-A-Za-z0-9._~+/]+=*) *\x01(?:[A-Za-z]+=[^\x01]*\x01)*\x01"
)

ValidateToken = Callable[[str], tuple[str, int]]
"""Returns whose token it is and when it expires, or raises AuthenticationFailed."""


class AuthenticationFailed(Exception):  # noqa: N818 - what has happened, in Kafka's word
    """The client has not proved who it is; the text may be told to it."""


def parse_users(text: str) -> dict[str, str]:
    """Return the passwords by user name that ``alice:secret,bob:pw`` gives.

    Blanks separate like commas. A password may hold colons.

    Raises:
        ConfigError: an entry has no colon or no name, or a name comes twice. The message does
            not repeat the text, which may be a password.
    """
    users: dict[str, str] = {}
    for number, entry in enumerate(re.findall(r"[^,\s]+", text), start=1):
        name, colon, password = entry.partition(":")
        if not (name and colon and password):
            raise ConfigError(
                f"fakebus.sasl.users: entry {number} is not NAME:PASSWORD, "
                "as in alice:secret,bob:pw"
            )
        if name in users:
            raise ConfigError(f"fakebus.sasl.users: the user {name!r} is given twice")
        users[name] = password
    return users


class Credentials:
    """Credentials of everybody who may log in.

    A user who does not exist gets a salt and keys too, so that nobody learns from the
    exchange which users there are.

    Args:
        users: passwords by name.
        made: gives the SCRAM keys that were made for a hash's name and a user's name, which come
            before those of the password.
        tokens: tells whose a token of OAUTHBEARER is.
        delegated: gives for a hash's name and the id of a delegation token the keys, the owner's
            name, and when the token expires.
    """

    def __init__(
        self,
        users: Mapping[str, str],
        made: Callable[[str, str], ScramKeys | None] = lambda hash_name, user: None,
        tokens: ValidateToken | None = None,
        delegated: Callable[[str, str], tuple[ScramKeys, str, int] | None] = lambda *_: None,
    ) -> None:
        self.tokens = tokens
        self.delegated = delegated
        self._made = made
        self._passwords = {name: password.encode() for name, password in users.items()}
        self._secret = os.urandom(32)
        self._keys = {
            (hash_name, name): derive_keys(
                hash_name, password, self._salt(hash_name, name), SCRAM_ITERATIONS
            )
            for hash_name in _HASHES.values()
            for name, password in users.items()
        }

    def _salt(self, hash_name: str, user: str) -> bytes:
        return hmac.digest(self._secret, f"{hash_name} {user}".encode(), "sha256")[:_SALT_BYTES]

    def password_is(self, user: str, password: str) -> bool:
        """Return whether the user exists and the password is right."""
        expected = self._passwords.get(user)
        # An unknown user costs a comparison as well.
        matches = hmac.compare_digest(
            self._secret if expected is None else expected, password.encode()
        )
        return matches and expected is not None

    def scram_keys(self, hash_name: str, user: str) -> ScramKeys:
        """Return the user's keys, or keys that no proof fits."""
        known = self._made(hash_name, user) or self._keys.get((hash_name, user))
        if known is not None:
            return known
        size = hashlib.new(hash_name).digest_size
        return ScramKeys(
            self._salt(hash_name, user), SCRAM_ITERATIONS, os.urandom(size), os.urandom(size)
        )


class Mechanism(Protocol):
    """One exchange of tokens; :attr:`user` is set as soon as the client is authenticated."""

    user: str | None
    by_token: bool
    """Whether the client has shown a delegation token, and not credentials of its own."""

    @property
    def expires_ms(self) -> int | None:
        """When the credentials expire, in milliseconds since 1970; ``None`` for never."""
        ...

    def respond(self, token: bytes) -> bytes:
        """Return the answer to the client's token.

        Raises:
            AuthenticationFailed: the exchange is over without success.
        """
        ...


class Plain:
    """PLAIN: one token with the name and the password."""

    expires_ms = None
    by_token = False

    def __init__(self, credentials: Credentials) -> None:
        self.user: str | None = None
        self._credentials = credentials

    def respond(self, token: bytes) -> bytes:
        """Check name and password."""
        try:
            authzid, user, password = token.decode().split("\0")
        except ValueError:
            raise AuthenticationFailed(
                "Invalid SASL/PLAIN response: it is not an authorization id, a user name and "
                "a password, separated by zero bytes"
            ) from None
        if not user or not password:
            raise AuthenticationFailed(
                f"Authentication failed: {'password' if user else 'username'} not specified"
            )
        if not self._credentials.password_is(user, password):
            raise AuthenticationFailed("Authentication failed: Invalid username or password")
        if authzid and authzid != user:
            raise AuthenticationFailed(
                "Authentication failed: Client requested an authorization id that is different "
                "from username"
            )
        self.user = user
        return b""


class Scram:
    """SCRAM: two round trips, after which both sides know that the other has the password.

    Args:
        mechanism: ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``.
        credentials: who may log in.
        nonce: the server's part of the nonce; random when left out.
    """

    def __init__(
        self, mechanism: str, credentials: Credentials, *, nonce: str | None = None
    ) -> None:
        self.user: str | None = None
        self.by_token = False
        self.expires_ms: int | None = None
        self._mechanism = mechanism
        self._hash = _HASHES[mechanism]
        self._credentials = credentials
        self._own_nonce = nonce or base64.b64encode(os.urandom(_NONCE_BYTES)).decode()
        self._claimed = ""
        self._gs2_header = ""
        self._nonce = ""
        self._transcript = ""
        self._keys: ScramKeys | None = None

    def respond(self, token: bytes) -> bytes:
        """Answer the client's first message with the salt, its last one with the signature."""
        try:
            text = token.decode()
        except UnicodeDecodeError:
            raise self._failed("a message is not UTF-8") from None
        return (self._first(text) if self._keys is None else self._final(text)).encode()

    def _first(self, text: str) -> str:
        message = _CLIENT_FIRST.fullmatch(text)
        if message is None:
            raise self._failed("the first message has no valid form")
        self._claimed = _unescape(message["user"])
        if message["authzid"] and _unescape(message["authzid"]) != self._claimed:
            raise self._failed("the authorization id is different from the user name")
        self._gs2_header = message["gs2"]
        self._nonce = message["nonce"] + self._own_nonce
        self.by_token = "tokenauth=true" in (message["extensions"] or "").split(",")
        if self.by_token:
            delegated = self._credentials.delegated(self._hash, self._claimed)
            if delegated is None:
                raise self._failed("there is no such delegation token, or it has expired")
            self._keys, self._claimed, self.expires_ms = delegated
        else:
            self._keys = self._credentials.scram_keys(self._hash, self._claimed)
        salt = base64.b64encode(self._keys.salt).decode()
        answer = f"r={self._nonce},s={salt},i={self._keys.iterations}"
        self._transcript = f"{message['bare']},{answer}"
        return answer

    def _final(self, text: str) -> str:
        assert self._keys is not None  # noqa: S101 - the order of the messages
        message = _CLIENT_FINAL.fullmatch(text)
        if message is None or message["nonce"] != self._nonce:
            raise self._failed("the last message has no valid form or another nonce")
        try:
            binding = base64.b64decode(message["binding"], validate=True)
            proof = base64.b64decode(message["proof"], validate=True)
        except binascii.Error:
            raise self._failed("the last message is not valid base64") from None
        if binding != self._gs2_header.encode():
            raise self._failed("the channel binding is not that of the first message")
        signed = f"{self._transcript},{message['unproved']}".encode()
        signature = hmac.digest(self._keys.stored_key, signed, self._hash)
        if len(proof) != len(signature):
            raise self._failed("invalid credentials")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        stored_key = hashlib.new(self._hash, client_key).digest()
        if not hmac.compare_digest(stored_key, self._keys.stored_key):
            raise self._failed("invalid credentials")
        self.user = self._claimed
        verifier = hmac.digest(self._keys.server_key, signed, self._hash)
        return f"v={base64.b64encode(verifier).decode()}"

    def _failed(self, reason: str) -> AuthenticationFailed:
        return AuthenticationFailed(
            f"Authentication failed with SASL mechanism {self._mechanism}: {reason}"
        )


class OAuthBearer:
    """OAUTHBEARER (RFC 7628): one message with a token; a refusal takes another round."""

    by_token = False

    def __init__(self, validate: ValidateToken) -> None:
        self.user: str | None = None
        self.expires_ms: int | None = None
        self._validate = validate
        self._refusal: AuthenticationFailed | None = None

    def respond(self, token: bytes) -> bytes:
        """Check the token."""
        if self._refusal is not None:
            raise self._refusal
        message = _BEARER.fullmatch(token.decode("utf-8", "replace"))
        if message is None:
            raise AuthenticationFailed("Invalid OAUTHBEARER message: it holds no bearer token")
        try:
            user, self.expires_ms = self._validate(message["token"])
            if message["authzid"] and _unescape(message["authzid"]) != user:
                raise AuthenticationFailed("the authorization id is not the token's principal")
        except AuthenticationFailed as error:
            # The client acknowledges this with one byte, and is told why only then.
            self._refusal = AuthenticationFailed(f"Authentication failed: {error}")
            return b'{"status":"invalid_token"}'
        self.user = user
        return b""


def _unescape(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")


def start(mechanism: str, credentials: Credentials) -> Mechanism:
    """Return a new exchange of one of :data:`MECHANISMS`."""
    if mechanism == "PLAIN":
        return Plain(credentials)
    if mechanism == OAUTHBEARER and credentials.tokens is not None:
        return OAuthBearer(credentials.tokens)
    return Scram(mechanism, credentials)
