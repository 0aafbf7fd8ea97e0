"""SCRAM credentials that clients make (KIP-554)."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from fakebus.broker.values import Values
from fakebus.errors import BrokerError, ErrorCode
from fakebus.limited_log import LimitedLog
from fakebus.scram_keys import SCRAM_ITERATIONS, ScramKeys
from fakebus.wording import some

_log = LimitedLog(logging.getLogger("fakebus.broker"))

_MOST_ITERATIONS = 16_384


class ScramMechanism(IntEnum):
    """Mechanism by its number in Kafka's protocol."""

    SCRAM_SHA_256 = 1
    SCRAM_SHA_512 = 2

    @property
    def hash_name(self) -> str:
        """The name of its hash, such as ``sha256``."""
        return f"sha{self.name[-3:]}"


class ScramChange(NamedTuple):
    """Change of one credential; it is deleted if there are no keys."""

    user: str
    mechanism: int
    iterations: int = SCRAM_ITERATIONS
    salt: bytes = b""
    salted_password: bytes | None = None


class ScramCredentials:
    """SCRAM credentials of the users that clients have made.

    Args:
        values: where they are kept.
    """

    def __init__(self, values: Values) -> None:
        self._values = values

    def keys(self, hash_name: str, user: str) -> ScramKeys | None:
        """Return the keys of a user for a hash; ``None`` if there are none."""
        found = self._values.get(f"{hash_name} {user}")
        if found is None:
            return None
        salt, iterations, stored_key, server_key = json.loads(found)
        decode = base64.b64decode
        return ScramKeys(decode(salt), iterations, decode(stored_key), decode(server_key))

    def by_user(self) -> dict[str, list[tuple[ScramMechanism, int]]]:
        """Return the mechanisms and iterations of all users."""
        found: dict[str, list[tuple[ScramMechanism, int]]] = {}
        mechanisms = {each.hash_name: each for each in ScramMechanism}
        for name, text in self._values.all().items():
            hash_name, _, user = name.partition(" ")
            found.setdefault(user, []).append((mechanisms[hash_name], json.loads(text)[1]))
        return found

    async def alter(self, changes: Sequence[ScramChange]) -> dict[str, BrokerError | None]:
        """Create, replace and delete credentials; a user is changed wholly or not at all.

        Args:
            changes: what is wanted.

        Returns:
            By user, why nothing was changed.

        Raises:
            StorageError: nothing was changed, because it could not be stored.
        """
        results: dict[str, BrokerError | None] = {}
        for change in changes:
            if change.user not in results:
                results[change.user] = self._problem(change)
            elif results[change.user] is None:
                # Also of another mechanism, as in Kafka.
                results[change.user] = BrokerError(
                    ErrorCode.DUPLICATE_RESOURCE, "the request changes this user more than once"
                )
        await self._values.set_all(
            {
                f"{ScramMechanism(change.mechanism).hash_name} {change.user}": _stored(change)
                for change in changes
                if results[change.user] is None
            }
        )
        gone = [
            each.user
            for each in changes
            if each.salted_password is None and results[each.user] is None
        ]
        if gone:
            _log.log(
                logging.INFO, "deleted, as a client has asked: the SCRAM keys of %s", some(gone)
            )
        return results

    def _problem(self, change: ScramChange) -> BrokerError | None:
        user, number = change.user, change.mechanism
        if not user:
            return BrokerError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "the user has no name")
        if number not in list(ScramMechanism):
            return BrokerError(
                ErrorCode.UNSUPPORTED_SASL_MECHANISM, f"there is no SCRAM mechanism {number}"
            )
        if change.salted_password is None:
            if self.keys(ScramMechanism(number).hash_name, user) is None:
                return BrokerError(
                    ErrorCode.RESOURCE_NOT_FOUND, "the user has no such SCRAM credential"
                )
        elif not SCRAM_ITERATIONS <= change.iterations <= _MOST_ITERATIONS:
            return BrokerError(
                ErrorCode.UNACCEPTABLE_CREDENTIAL,
                f"there have to be {SCRAM_ITERATIONS} to {_MOST_ITERATIONS} iterations, "
                f"not {change.iterations}",
            )
        return None


def _stored(change: ScramChange) -> str | None:
    if change.salted_password is None:
        return None
    keys = ScramKeys.of_salted(
        ScramMechanism(change.mechanism).hash_name,
        change.salted_password,
        change.salt,
        change.iterations,
    )
    encoded = [each if isinstance(each, int) else base64.b64encode(each).decode() for each in keys]
    return json.dumps(encoded, separators=(",", ":"))
