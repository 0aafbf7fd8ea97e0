"""SCRAM credentials that clients make: a user is changed wholly or not at all."""

from __future__ import annotations

import pytest

from fakebus.broker.security.scram import ScramChange, ScramCredentials
from fakebus.broker.values import Values
from fakebus.errors import ErrorCode
from tests.unit.broker.security.test_authorizer import FailingStore

SHA_256, SHA_512, UNKNOWN = 1, 2, 3


@pytest.fixture
def credentials() -> ScramCredentials:
    return ScramCredentials(Values(FailingStore(), "scram "))


def made(user: str, mechanism: int = SHA_256, iterations: int = 4096) -> ScramChange:
    return ScramChange(user, mechanism, iterations, b"salt", b"p" * 32)


async def altered(credentials: ScramCredentials, *changes: ScramChange) -> dict[str, ErrorCode]:
    results = await credentials.alter(changes)
    return {user: each.error_code for user, each in results.items() if each is not None}


async def test_a_user_that_a_request_changes_twice_is_not_changed(
    credentials: ScramCredentials,
) -> None:
    refused = await altered(credentials, made("a"), made("b"), made("a", SHA_512))
    assert refused == {"a": ErrorCode.DUPLICATE_RESOURCE}
    assert credentials.by_user() == {"b": [(SHA_256, 4096)]}
    assert await altered(credentials, ScramChange("b", SHA_256), made("b")) == {
        "b": ErrorCode.DUPLICATE_RESOURCE
    }
    assert await altered(credentials, ScramChange("b", SHA_256)) == {}


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (made("a", UNKNOWN), ErrorCode.UNSUPPORTED_SASL_MECHANISM),
        (made("a", SHA_512, 4095), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (made("a", SHA_512, 16_385), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (ScramChange("a", SHA_512), ErrorCode.RESOURCE_NOT_FOUND),
    ],
)
async def test_the_first_fault_of_a_users_changes_is_told(
    credentials: ScramCredentials, bad: ScramChange, error: ErrorCode
) -> None:
    assert await altered(credentials, bad, made("a"), made("b")) == {"a": error}
    assert [*credentials.by_user()] == ["b"]


async def test_iterations_from_the_least_to_the_most_are_taken(
    credentials: ScramCredentials,
) -> None:
    assert await altered(credentials, made("a"), made("b", SHA_512, 16_384), made("")) == {
        "": ErrorCode.UNACCEPTABLE_CREDENTIAL
    }
    assert credentials.keys("sha512", "b") is not None
    assert await altered(credentials, ScramChange("b", SHA_512)) == {}
    assert credentials.keys("sha512", "b") is None
