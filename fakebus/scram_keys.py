"""Keys of SCRAM (RFC 5802), which a server keeps instead of passwords."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

SCRAM_ITERATIONS = 4096
"""What Kafka's own tools use, and the least that RFC 7677 permits."""


class ScramKeys(NamedTuple):
    """Keys that a server keeps instead of a password (RFC 5802, section 3)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    @classmethod
    def of_salted(cls, hash_name: str, salted: bytes, salt: bytes, iterations: int) -> ScramKeys:
        """Return the keys that a salted password gives."""
        client_key = hmac.digest(salted, b"Client Key", hash_name)
        stored_key = hashlib.new(hash_name, client_key).digest()
        return cls(salt, iterations, stored_key, hmac.digest(salted, b"Server Key", hash_name))


def derive_keys(hash_name: str, password: str, salt: bytes, iterations: int) -> ScramKeys:
    """Return the SCRAM keys of a password.

    Args:
        hash_name: ``sha256`` or ``sha512``.
        password: the password as it is.
        salt: the user's salt.
        iterations: how often the hash is applied.
    """
    salted = hashlib.pbkdf2_hmac(hash_name, password.encode(), salt, iterations)
    return ScramKeys.of_salted(hash_name, salted, salt, iterations)
