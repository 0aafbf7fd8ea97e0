"""Groups as a client library tells of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError

from fakebus.client.connection import ClientError, Connection
from fakebus.client.groups import describe_members


class Refusing:
    """Connection to a cluster that describes no group."""

    def __init__(self, code: int) -> None:
        self.admin = SimpleNamespace(
            describe_consumer_groups=lambda names, **_: dict.fromkeys(names)
        )
        self._code = code

    def result(self, future: Any, what: str) -> Any:
        raise ClientError(what, code=self._code)


@pytest.mark.parametrize("code", [KafkaError.GROUP_ID_NOT_FOUND, KafkaError.INVALID_GROUP_ID])
def test_a_group_that_cannot_be_described_is_not_there(code: int) -> None:
    # One without a name may have offsets, and be listed.
    assert describe_members(cast(Connection, Refusing(code)), "") is None


def test_other_refusals_are_told() -> None:
    with pytest.raises(ClientError):
        describe_members(cast(Connection, Refusing(KafkaError.GROUP_AUTHORIZATION_FAILED)), "g")
