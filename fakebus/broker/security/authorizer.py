"""Kafka's StandardAuthorizer: who may do what, by ACLs that are kept with the bus.

Rules:
    * A super user may do everything.
    * What one matching ACL denies is denied, whatever others allow.
    * READ, WRITE, DELETE and ALTER allow DESCRIBE, ALTER_CONFIGS allows DESCRIBE_CONFIGS.
    * What no ACL speaks of is denied, unless ``allow.everyone.if.no.acl.found`` is true and there
      is no ACL at all for the resource.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.security.acls import WILDCARD, Acl, AclFilter
from fakebus.broker.security.resources import (
    IMPLIED_BY,
    OPERATIONS,
    Operation,
    PatternType,
    Permission,
    ResourceType,
    bits,
)
from fakebus.broker.values import Values
from fakebus.errors import BrokerError, ConfigError, ErrorCode
from fakebus.limited_log import LimitedLog
from fakebus.wording import counted, some

CLASS_NAME = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
MOST_ACLS = 100_000
"""That a bus keeps; they all are in memory."""
_MOST_REMEMBERED = 10_000
_log = LimitedLog(logging.getLogger("fakebus.authorizer"))

_MOST_REFUSALS = 1000
_MOST_LETTERS = 1000

_Asked = tuple[str, str, Operation, ResourceType, str]


class Refusal(NamedTuple):
    """Refusal of what a client wanted to do."""

    principal: str
    host: str
    operation: Operation
    resource_type: ResourceType
    name: str
    times: int


def authorizer_of(config: BrokerConfig, values: Values) -> Authorizer:
    """Return the authorizer that the configs ask for.

    Args:
        config: ``authorizer.class.name``, ``super.users`` and ``allow.everyone.if.no.acl.found``
            are read.
        values: where the ACLs are kept.

    Raises:
        ConfigError: the class is another one, or a super user is no principal.
    """
    name = config.get_str("authorizer.class.name").strip()
    if name.rpartition(".")[2] not in ("StandardAuthorizer", "AclAuthorizer"):
        raise ConfigError(
            f"authorizer.class.name: {name} cannot be loaded; there is {CLASS_NAME}, and no "
            "authorizer if it is empty"
        )
    users = [user for user in re.split(r"\s*;\s*", config.get_str("super.users").strip()) if user]
    for user in users:
        if not all(user.partition(":")):
            raise ConfigError(
                f"super.users: {user!r} is no principal; they are written as "
                "User:alice;User:CN=admin,O=Example"
            )
    return Authorizer(values, users, default=config.get_bool("allow.everyone.if.no.acl.found"))


class Authorizer:
    """Authorizer by ACLs.

    Args:
        values: where the ACLs are kept.
        super_users: the principals that may do everything.
        default: what holds for a resource for which there is no ACL.
    """

    def __init__(self, values: Values, super_users: Iterable[str], *, default: bool) -> None:
        self._values = values
        self._super_users = frozenset(super_users)
        self._default = default
        self._acls: dict[Acl, None] = {}
        self._by_pattern: dict[tuple[int, int, str], dict[Acl, None]] = {}
        self._decided: dict[_Asked, bool] = {}
        self._prefix_lengths: dict[int, list[int]] = {}
        self._refused: dict[_Asked, int] = {}
        """How often what was refused, the newest last."""

    def load(self) -> None:
        """Take in what is stored."""
        self._acls = dict.fromkeys(map(Acl.from_json, self._values.all()))
        self._index()

    def _index(self) -> None:
        by_pattern = self._by_pattern = {}
        lengths: dict[int, set[int]] = {}
        for acl in self._acls:
            pattern = acl.resource_type, acl.pattern_type, acl.name
            by_pattern.setdefault(pattern, {})[acl] = None
            if acl.pattern_type == PatternType.PREFIXED:
                lengths.setdefault(acl.resource_type, set()).add(len(acl.name))
        self._prefix_lengths = {kind: sorted(found) for kind, found in lengths.items()}
        self._decided.clear()

    def allows(
        self,
        principal: str,
        host: str,
        operation: Operation,
        resource_type: ResourceType,
        name: str,
        *,
        quietly: bool = False,
    ) -> bool:
        """Return whether a client may do a thing.

        Args:
            principal: who it is, as in ``User:alice``.
            host: its address.
            operation: what it wants to do.
            resource_type: with what.
            name: the name of the resource.
            quietly: whether a refusal is not worth a line of the log.
        """
        asked = principal, host, operation, resource_type, name
        decided = self._decided.get(asked)
        if decided is None:
            if len(self._decided) >= _MOST_REMEMBERED:
                self._decided.clear()
            decided = self._decided[asked] = self._decide(*asked)
        if not decided and not quietly:
            self._note_refusal(asked)
            _log.log(
                logging.INFO,
                "%s at %s may not %s %s %s",
                *(principal, host, operation.name, resource_type.name, name),
            )
        return decided

    def _note_refusal(self, asked: _Asked) -> None:
        short: _Asked = (*asked[:4], asked[4][:_MOST_LETTERS])
        times = self._refused.pop(short, 0)
        if len(self._refused) >= _MOST_REFUSALS:
            del self._refused[next(iter(self._refused))]
        self._refused[short] = times + 1

    @property
    def refusals(self) -> list[Refusal]:
        """What was refused since the bus has started, the newest first."""
        return [Refusal(*asked, times) for asked, times in reversed(self._refused.items())]

    @property
    def super_users(self) -> frozenset[str]:
        """The principals that may do everything."""
        return self._super_users

    def _decide(
        self,
        principal: str,
        host: str,
        operation: Operation,
        resource_type: ResourceType,
        name: str,
    ) -> bool:
        if principal in self._super_users:
            return True
        denying = (operation, Operation.ALL)
        allowing = (*denying, *IMPLIED_BY.get(operation, ()))
        allowed: bool | None = None
        for acl in self._covering(resource_type, name):
            if allowed is None:
                allowed = False
            if not acl.concerns(principal, host):
                continue
            if acl.permission == Permission.DENY and acl.operation in denying:
                return False
            if acl.permission == Permission.ALLOW and acl.operation in allowing:
                allowed = True
        return self._default if allowed is None else allowed

    def _covering(self, resource_type: int, name: str) -> Iterator[Acl]:
        """Give the ACLs for a resource, whoever they concern."""
        for literal in dict.fromkeys((name, WILDCARD)):
            yield from self._by_pattern.get((resource_type, PatternType.LITERAL, literal), ())
        for length in self._prefix_lengths.get(resource_type, ()):
            if length > len(name):
                break
            yield from self._by_pattern.get(
                (resource_type, PatternType.PREFIXED, name[:length]), ()
            )

    def allows_any(
        self, principal: str, host: str, operation: Operation, resource_type: ResourceType
    ) -> bool:
        """Return whether there can be a resource of a type with which a client may do a thing."""
        if principal in self._super_users or self._default:
            return True
        wanted = (operation, Operation.ALL)
        concerning = [
            acl
            for acl in self._acls
            if acl.resource_type == resource_type
            and acl.operation in wanted
            and acl.concerns(principal, host)
        ]
        denied = [acl for acl in concerning if acl.permission == Permission.DENY]
        return any(
            acl.permission == Permission.ALLOW and not any(_hides(deny, acl) for deny in denied)
            for acl in concerning
        )

    def operations(self, principal: str, host: str, resource_type: ResourceType, name: str) -> int:
        """Return what a client may do with a resource, as a bit set."""
        return bits(
            tuple(
                operation
                for operation in OPERATIONS[resource_type]
                if self.allows(principal, host, operation, resource_type, name, quietly=True)
            )
        )

    @property
    def has_acls(self) -> bool:
        """Whether there is any ACL."""
        return bool(self._acls)

    def find(self, wanted: AclFilter) -> list[Acl]:
        """Return the ACLs that a filter matches."""
        return [acl for acl in self._acls if wanted.matches(acl)]

    async def create(self, acls: Sequence[Acl]) -> None:
        """Store ACLs; those that are there already stay.

        Raises:
            BrokerError: there would be too many.
            StorageError: they could not be stored; nothing was changed.
        """
        new = [acl for acl in dict.fromkeys(acls) if acl not in self._acls]
        if len(self._acls) + len(new) > MOST_ACLS:
            raise BrokerError(
                ErrorCode.INVALID_REQUEST, f"a bus keeps no more than {MOST_ACLS} ACLs"
            )
        await self._change({acl: "" for acl in new})

    async def delete(self, acls: Iterable[Acl]) -> None:
        """Take ACLs away.

        Raises:
            StorageError: that could not be stored; nothing was changed.
        """
        gone = [acl for acl in dict.fromkeys(acls) if acl in self._acls]
        if gone:
            await self._change(dict.fromkeys(gone))
            whose = some(acl.principal for acl in gone)
            number = counted(len(gone), "ACL is", "ACLs are")
            _log.log(logging.INFO, "%s deleted, as a client has asked: of %s", number, whose)

    def _change(self, changes: dict[Acl, str | None]) -> asyncio.Future[None]:
        before = self._acls
        self._acls = dict(before)
        for acl, value in changes.items():
            if value is None:
                self._acls.pop(acl, None)
            else:
                self._acls[acl] = None
        self._index()
        named = {acl.to_json(): value for acl, value in changes.items()}

        def undo() -> None:
            self._acls = before
            self._index()

        return self._values.set_all(named, undo)


def _hides(deny: Acl, allow: Acl) -> bool:
    """Return whether what one ACL denies is all that another one allows."""
    if deny.pattern_type == PatternType.PREFIXED:
        return allow.name.startswith(deny.name)
    if deny.name == WILDCARD:
        return True
    return allow.pattern_type == PatternType.LITERAL and allow.name == deny.name
