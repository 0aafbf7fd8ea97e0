"""ACLs and filters for them, as values (KIP-290)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from fakebus.broker.security.resources import (
    CLUSTER_NAME,
    Operation,
    PatternType,
    Permission,
    ResourceType,
)
from fakebus.errors import BrokerError, ErrorCode

if TYPE_CHECKING:
    from fakebus.protocol.messages import DeleteAclsFilter, DescribeAclsRequest

WILDCARD = "*"
"""Every name, of resources in a literal pattern and of hosts; ``User:*`` is every principal."""
EVERYONE = "User:*"


class Acl(NamedTuple):
    """Access control list entry: who may, or may not, do what with which resources."""

    resource_type: int
    name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission: int

    def covers(self, name: str) -> bool:
        """Return whether a resource of the right type with this name is meant."""
        if self.pattern_type == PatternType.PREFIXED:
            return name.startswith(self.name)
        return self.name in (name, WILDCARD)

    def concerns(self, principal: str, host: str) -> bool:
        """Return whether a client is meant.

        Args:
            principal: who it is, as in ``User:alice``.
            host: its address.
        """
        return self.principal in (principal, EVERYONE) and self.host in (host, WILDCARD)

    def to_json(self) -> str:
        """Return the form in which it is stored."""
        return json.dumps(self, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Acl:
        """Return what :meth:`to_json` has made a text of."""
        return cls(*json.loads(text))

    def check(self) -> None:
        """Accept what can be stored.

        Raises:
            BrokerError: INVALID_REQUEST with what is wrong.
        """
        if self.resource_type == ResourceType.CLUSTER and self.name != CLUSTER_NAME:
            problem = f"the only name of a resource of type CLUSTER is {CLUSTER_NAME}"
        elif not self.name:
            problem = "the name of the resource is empty"
        elif self.pattern_type not in (PatternType.LITERAL, PatternType.PREFIXED):
            problem = f"the pattern type {PatternType(self.pattern_type).name} is for filters"
        elif self.resource_type == ResourceType.ANY:
            problem = "the resource type ANY is for filters"
        elif self.operation == Operation.ANY:
            problem = "the operation ANY is for filters"
        elif self.permission == Permission.ANY:
            problem = "the permission ANY is for filters"
        elif not _is_principal(self.principal):
            problem = f"{self.principal!r} is no principal, such as User:alice"
        else:
            return
        raise BrokerError(ErrorCode.INVALID_REQUEST, f"this ACL cannot be created: {problem}")


class AclFilter(NamedTuple):
    """Filter of ACLs: what is ``None`` or ANY is not looked at."""

    resource_type: int
    name: str | None
    pattern_type: int
    principal: str | None
    host: str | None
    operation: int
    permission: int

    def matches(self, acl: Acl) -> bool:
        """Return whether an ACL is one of those wanted."""
        return (
            self.resource_type in (ResourceType.ANY, acl.resource_type)
            and self._matches_pattern(acl)
            and self.principal in (None, acl.principal)
            and self.host in (None, acl.host)
            and self.operation in (Operation.ANY, acl.operation)
            and self.permission in (Permission.ANY, acl.permission)
        )

    def _matches_pattern(self, acl: Acl) -> bool:
        if self.pattern_type == PatternType.MATCH:
            return self.name is None or acl.covers(self.name)
        return self.pattern_type in (PatternType.ANY, acl.pattern_type) and (
            self.name in (None, acl.name)
        )


def filter_of(asked: DescribeAclsRequest | DeleteAclsFilter) -> AclFilter:
    """Return the filter that a client has sent; what there is not matches nothing.

    Raises:
        ValueError: one of its numbers is 0, which stands for what a client did not know itself.
    """
    numbers = asked.resource_type_filter, asked.pattern_type_filter, asked.operation
    if 0 in (*numbers, asked.permission_type):
        raise ValueError("a filter of ACLs has an element that is UNKNOWN")
    return AclFilter(
        asked.resource_type_filter,
        asked.resource_name_filter,
        asked.pattern_type_filter,
        asked.principal_filter,
        asked.host_filter,
        asked.operation,
        asked.permission_type,
    )


def demand_known(wanted: Iterable[Acl]) -> None:
    """Accept ACLs all whose numbers stand for something that there is.

    Raises:
        BrokerError: INVALID_REQUEST, for all of them.
    """
    for each in wanted:
        for kind, number in (
            (ResourceType, each.resource_type),
            (PatternType, each.pattern_type),
            (Operation, each.operation),
            (Permission, each.permission),
        ):
            if not 0 < number < len(kind):
                raise BrokerError(
                    ErrorCode.INVALID_REQUEST,
                    f"the request has the {kind.__name__} {number}, which there is not",
                )


def _is_principal(text: str) -> bool:
    kind, colon, name = text.partition(":")
    return bool(kind and colon and name)
