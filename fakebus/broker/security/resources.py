"""Resources, what may be done with them, and Kafka's numbers for both (KIP-430, KIP-290)."""

from __future__ import annotations

from enum import IntEnum

from fakebus.errors import ErrorCode

CLUSTER_NAME = "kafka-cluster"
"""The name of the only resource of type CLUSTER."""


class ResourceType(IntEnum):
    """Type of a resource; ANY is for filters."""

    UNKNOWN, ANY, TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, DELEGATION_TOKEN, USER = range(8)

    @property
    def refusal(self) -> ErrorCode:
        """What a client is answered that may not do a thing with such a resource."""
        return getattr(ErrorCode, f"{self.name}_AUTHORIZATION_FAILED", _NOT_ON_THE_CLUSTER)


_NOT_ON_THE_CLUSTER = ErrorCode.CLUSTER_AUTHORIZATION_FAILED


class Operation(IntEnum):
    """Operation on a resource; ANY is for filters, ALL stands for every one in an ACL."""

    UNKNOWN, ANY, ALL = 0, 1, 2
    READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE = 3, 4, 5, 6, 7, 8
    CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE = 9, 10, 11, 12
    CREATE_TOKENS, DESCRIBE_TOKENS, TWO_PHASE_COMMIT = 13, 14, 15


class PatternType(IntEnum):
    """Type of an ACL's name: ANY and MATCH are for filters."""

    UNKNOWN, ANY, MATCH, LITERAL, PREFIXED = range(5)


class Permission(IntEnum):
    """Effect of an ACL; ANY is for filters."""

    UNKNOWN, ANY, DENY, ALLOW = range(4)


_O = Operation
_CONFIGS = (_O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS)
OPERATIONS: dict[ResourceType, tuple[Operation, ...]] = {
    ResourceType.TOPIC: (
        *(_O.READ, _O.WRITE, _O.CREATE, _O.DELETE, _O.ALTER, _O.DESCRIBE),
        *_CONFIGS,
    ),
    ResourceType.GROUP: (_O.READ, _O.DELETE, _O.DESCRIBE, *_CONFIGS),
    ResourceType.CLUSTER: (
        *(_O.CREATE, _O.ALTER, _O.DESCRIBE, _O.CLUSTER_ACTION, _O.IDEMPOTENT_WRITE),
        *_CONFIGS,
    ),
}
"""What there is to do with a resource of each type (AclEntry.supportedOperations of Kafka 4.3)."""

IMPLIED_BY: dict[Operation, tuple[Operation, ...]] = {
    _O.DESCRIBE: (_O.READ, _O.WRITE, _O.DELETE, _O.ALTER),
    _O.DESCRIBE_CONFIGS: (_O.ALTER_CONFIGS,),
}
"""The operations that allow another one with them; to deny one denies no other."""

NOT_ASKED = -(2**31)
"""What a response says about operations when the client did not ask."""


def bits(operations: tuple[Operation, ...]) -> int:
    """Return operations as the bit set that responses hold."""
    return sum(1 << operation for operation in operations)


ALL_OPERATIONS = {kind: bits(operations) for kind, operations in OPERATIONS.items()}
"""What a client may do where there is no authorizer."""
