"""Delegation tokens of others: which rights make, show, renew and end them (KIP-373)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.broker.security.resources import Operation, PatternType, Permission, ResourceType
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Sides, attempts
from tests.differential.test_wire_acls import EVERY_ACL, acl, sides_by_user
from tests.differential.test_wire_tokens import creation, plain, principal

pytestmark = pytest.mark.kafka

USER, TOKEN = ResourceType.USER, ResourceType.DELEGATION_TOKEN
SECRET = {"delegation.token.secret.key": "a secret"}


@pytest.fixture(scope="module")
def both() -> Iterator[dict[str, Sides]]:
    """Both brokers by who asks them; bob is he of whom tokens are made, eve the one who asks."""
    with sides_by_user("bob", "eve", configs=SECRET) as sides:
        yield sides


class Users:
    """One broker as its users and a super user see it."""

    def __init__(self, both: dict[str, Sides], which: str) -> None:
        self._sides = {user: getattr(sides, which) for user, sides in both.items()}

    def ask(self, user: str, api: ApiKey, version: int, message: Any) -> Any:
        return self._sides[user].call(api, version, message)

    def allow(self, *acls: m.AclCreation) -> None:
        """Let these be all the ACLs of eve, and wait until the broker knows."""
        values = {name: getattr(EVERY_ACL, name) for name in EVERY_ACL.__slots__}
        every = m.DeleteAclsFilter(**{**values, "principal_filter": "User:eve"})
        self.ask("super", ApiKey.DELETE_ACLS, 3, m.DeleteAclsRequest(filters=[every]))
        created = self.ask("super", ApiKey.CREATE_ACLS, 3, m.CreateAclsRequest(creations=acls))
        assert {each.error_code for each in created.results} <= {0}
        asked = m.DescribeAclsRequest(**{**values, "principal_filter": "User:eve"})
        for _ in attempts():
            found = self.ask("super", ApiKey.DESCRIBE_ACLS, 3, asked).resources
            if sum(len(each.acls) for each in found) == len(acls):
                return
        raise AssertionError(found)

    def create(self, user: str, asked: Any) -> Any:
        """Create a token, and wait until its owner sees it; return the answer."""
        answer = self.ask(user, ApiKey.CREATE_DELEGATION_TOKEN, 3, asked)
        for _ in attempts():
            if answer.error_code or self.sees("super", answer.token_id):
                return answer
        raise AssertionError(answer)

    def sees(self, user: str, token_id: str, owner: str | None = None) -> bool:
        """Return whether a user is shown a token, of those of an owner or of all."""
        owners = owner and [principal(m.DescribeDelegationTokenOwner, owner)]
        asked = m.DescribeDelegationTokenRequest(owners=owners)
        # A super user who has not logged in is told of no token.
        answer = self.ask(
            "bob" if user == "super" else user, ApiKey.DESCRIBE_DELEGATION_TOKEN, 3, asked
        )
        return any(each.token_id == token_id for each in answer.tokens)


def of_eve(operation: Operation, name: str, kind: ResourceType, **other: Any) -> m.AclCreation:
    return acl(operation, name, kind, principal="User:eve", **other)


DENIED = {"permission_type": Permission.DENY}
PREFIX = {"resource_pattern_type": PatternType.PREFIXED}
CREATE, DESCRIBE = Operation.CREATE_TOKENS, Operation.DESCRIBE_TOKENS


@pytest.mark.parametrize(
    "acls",
    [
        (),
        (of_eve(CREATE, "User:bob", USER),),
        (of_eve(CREATE, "bob", USER),),
        (of_eve(CREATE, "User:b", USER, **PREFIX),),
        (of_eve(CREATE, "*", USER),),
        (of_eve(CREATE, "*", USER), of_eve(CREATE, "User:bob", USER, **DENIED)),
        (of_eve(Operation.ALL, "User:bob", USER),),
        (of_eve(DESCRIBE, "User:bob", USER),),
        (of_eve(CREATE, "User:bob", USER), of_eve(DESCRIBE, "User:bob", USER, **DENIED)),
    ],
)
def test_a_token_for_another_user(both: dict[str, Sides], acls: Any) -> None:
    def told(users: Users) -> Any:
        users.allow(*acls)
        answer = users.create("eve", creation(owner="bob"))
        heard = [plain(answer, answer.issue_timestamp_ms)]
        if not answer.error_code:
            heard += [users.sees(user, answer.token_id, owner) for user, owner in SEEN]
            for api, asked in ends(answer.hmac):
                heard.append(users.ask("eve", api, 2, asked).error_code)
        return heard

    assert told(Users(both, "bus")) == told(Users(both, "kafka"))


SEEN = [("eve", None), ("eve", "bob"), ("eve", "eve"), ("bob", None), ("bob", "eve")]


def ends(hmac: Any) -> list[tuple[ApiKey, Any]]:
    """Return what renews a token and what ends it."""
    return [
        (ApiKey.RENEW_DELEGATION_TOKEN, m.RenewDelegationTokenRequest(hmac=hmac)),
        (
            ApiKey.EXPIRE_DELEGATION_TOKEN,
            m.ExpireDelegationTokenRequest(hmac=hmac, expiry_time_period_ms=1000),
        ),
    ]


@pytest.mark.parametrize(
    ("kind", "operation", "name", "other"),
    [
        (USER, DESCRIBE, "User:bob", {}),
        (USER, DESCRIBE, "User:", PREFIX),
        (USER, DESCRIBE, "*", {}),
        (USER, DESCRIBE, "User:eve", {}),
        (USER, CREATE, "User:bob", {}),
        (USER, Operation.ALL, "User:bob", {}),
        (TOKEN, Operation.DESCRIBE, "its id", {}),
        (TOKEN, Operation.DESCRIBE, "*", {}),
        (TOKEN, Operation.DESCRIBE, "*", DENIED),
        (TOKEN, Operation.ALL, "its id", {}),
        (TOKEN, Operation.DESCRIBE, "another id", {}),
    ],
)
def test_the_token_of_another_user(
    both: dict[str, Sides], kind: ResourceType, operation: Operation, name: str, other: Any
) -> None:
    def told(users: Users) -> Any:
        users.allow()
        made = users.create("bob", creation())
        users.allow(of_eve(operation, made.token_id if name == "its id" else name, kind, **other))
        heard: list[Any] = [users.sees(user, made.token_id, owner) for user, owner in SEEN]
        for api, asked in ends(made.hmac):
            heard.append(users.ask("eve", api, 2, asked).error_code)
        return heard

    assert told(Users(both, "bus")) == told(Users(both, "kafka"))


@pytest.mark.parametrize("kind", [USER, TOKEN])
def test_what_may_be_allowed_of_users_and_tokens(
    both: dict[str, Sides], kind: ResourceType
) -> None:
    def told(users: Users) -> Any:
        acls = [of_eve(each, "User:x", kind) for each in Operation if each >= Operation.ALL]
        asked = m.CreateAclsRequest(creations=acls)
        results = users.ask("super", ApiKey.CREATE_ACLS, 3, asked).results
        users.allow()
        return [each.error_code for each in results]

    assert told(Users(both, "bus")) == told(Users(both, "kafka"))
