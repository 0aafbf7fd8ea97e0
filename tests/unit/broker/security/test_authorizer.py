"""Who may do what, by ACLs alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from fakebus.broker.security.acls import Acl, AclFilter
from fakebus.broker.security.authorizer import Authorizer
from fakebus.broker.security.resources import Operation, PatternType, Permission, ResourceType
from fakebus.broker.values import Values
from fakebus.errors import StorageError
from fakebus.storage.interface import Undo

ALICE, HOST = "User:alice", "127.0.0.1"


class FailingStore:
    """Store of values that can be told to fail."""

    def __init__(self) -> None:
        self.failing = False
        self.values: dict[str, str | None] = {}

    def get_meta(self, key: str) -> str | None:
        return self.values.get(key)

    def meta_keys(self, prefix: str) -> list[str]:
        return [key for key in self.values if key.startswith(prefix)]

    def set_meta(
        self, key: str, value: str | None, undo: Undo | None = None
    ) -> asyncio.Future[None]:
        return self.set_all_meta({key: value}, undo)

    def set_all_meta(
        self, values: Mapping[str, str | None], undo: Undo | None = None
    ) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failing:
            if undo is not None:
                undo()
            done.set_exception(StorageError("the disk is full"))
        else:
            self.values.update(values)
            done.set_result(None)
        return done


def acl(
    operation: Operation,
    name: str = "orders",
    *,
    deny: bool = False,
    pattern: PatternType = PatternType.LITERAL,
    principal: str = ALICE,
    host: str = "*",
    kind: ResourceType = ResourceType.TOPIC,
) -> Acl:
    permission = Permission.DENY if deny else Permission.ALLOW
    return Acl(kind, name, pattern, principal, host, operation, permission)


def authorizer(*acls: Acl, super_users: tuple[str, ...] = (), default: bool = False) -> Authorizer:
    made = Authorizer(Values(FailingStore(), "acl "), super_users, default=default)
    asyncio.run(made.create(acls))
    return made


def may(made: Authorizer, operation: Operation, name: str = "orders") -> bool:
    return made.allows(ALICE, HOST, operation, ResourceType.TOPIC, name)


READ, WRITE, DESCRIBE, ALL = (
    Operation.READ,
    Operation.WRITE,
    Operation.DESCRIBE,
    Operation.ALL,
)


@pytest.mark.parametrize(
    ("acls", "allowed"),
    [
        ([], ()),
        ([acl(READ)], (READ, DESCRIBE)),
        ([acl(ALL)], (READ, WRITE, DESCRIBE)),
        ([acl(DESCRIBE)], (DESCRIBE,)),
        ([acl(ALL), acl(READ, deny=True)], (WRITE, DESCRIBE)),
        ([acl(ALL), acl(ALL, deny=True)], ()),
        ([acl(ALL), acl(ALL, "*", deny=True)], ()),
        ([acl(READ, "ord", pattern=PatternType.PREFIXED)], (READ, DESCRIBE)),
        ([acl(READ, "ord")], ()),
        ([acl(READ, "*")], (READ, DESCRIBE)),
        ([acl(READ, "*", pattern=PatternType.PREFIXED)], ()),
        ([acl(READ, host="10.0.0.1")], ()),
        ([acl(READ, host=HOST)], (READ, DESCRIBE)),
        ([acl(READ, principal="User:*")], (READ, DESCRIBE)),
        ([acl(READ, principal="User:bob")], ()),
        ([acl(READ, kind=ResourceType.GROUP)], ()),
        ([acl(ALL, "orders-longer", pattern=PatternType.PREFIXED)], ()),
    ],
)
def test_acls_allow_and_deny_as_in_kafka(acls: list[Acl], allowed: tuple[Operation, ...]) -> None:
    made = authorizer(*acls)
    assert tuple(each for each in (READ, WRITE, DESCRIBE) if may(made, each)) == allowed


def test_a_super_user_may_do_what_is_denied() -> None:
    assert may(authorizer(acl(ALL, deny=True), super_users=(ALICE,)), READ)


def test_everybody_may_use_what_no_acl_speaks_of_if_the_configs_say_so() -> None:
    made = authorizer(acl(READ, principal="User:bob"), default=True)
    assert may(made, READ, "letters")
    assert not may(made, READ, "orders")


def test_a_decision_does_not_outlive_the_acls_that_it_was_made_by() -> None:
    made = authorizer(acl(READ))
    assert may(made, READ)
    asyncio.run(made.delete([acl(READ)]))
    assert not may(made, READ)


def test_acls_that_cannot_be_stored_do_not_hold() -> None:
    store = FailingStore()
    made = Authorizer(Values(store, "acl "), (), default=False)
    store.failing = True
    with pytest.raises(StorageError):
        asyncio.run(made.create([acl(READ)]))
    assert not may(made, READ)


@pytest.mark.parametrize(
    ("acls", "expected"),
    [
        ([], False),
        ([acl(WRITE)], True),
        ([acl(WRITE), acl(WRITE, "*", deny=True)], False),
        ([acl(WRITE), acl(WRITE, deny=True)], False),
        ([acl(WRITE), acl(WRITE, "o", deny=True, pattern=PatternType.PREFIXED)], False),
        ([acl(WRITE, "o", pattern=PatternType.PREFIXED), acl(WRITE, deny=True)], True),
        ([acl(READ)], False),
    ],
)
def test_a_producer_may_begin_if_there_can_be_a_topic_for_it(
    acls: list[Acl], expected: bool
) -> None:
    assert authorizer(*acls).allows_any(ALICE, HOST, WRITE, ResourceType.TOPIC) is expected


LITERAL = acl(READ)
PREFIXED = acl(READ, "ord", pattern=PatternType.PREFIXED)
WILDCARD = acl(READ, "*")


@pytest.mark.parametrize(
    ("name", "pattern", "found"),
    [
        ("orders", PatternType.MATCH, [LITERAL, PREFIXED, WILDCARD]),
        ("orders", PatternType.LITERAL, [LITERAL]),
        ("ord", PatternType.ANY, [PREFIXED]),
        ("letters", PatternType.MATCH, [WILDCARD]),
        (None, PatternType.PREFIXED, [PREFIXED]),
        (None, PatternType.MATCH, [LITERAL, PREFIXED, WILDCARD]),
    ],
)
def test_filters_find_patterns_by_their_name_or_by_what_they_cover(
    name: str | None, pattern: PatternType, found: list[Acl]
) -> None:
    wanted = AclFilter(ResourceType.ANY, name, pattern, None, None, Operation.ANY, Permission.ANY)
    assert authorizer(LITERAL, PREFIXED, WILDCARD).find(wanted) == found
