"""What a client may do that has one right alone, on all there is: every API, newest version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.broker.security.resources import OPERATIONS, Operation, ResourceType
from fakebus.errors import ErrorCode
from fakebus.kafka.served import SERVED
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Side, Sides, attempts
from tests.differential.test_wire_acls import (
    REQUESTS,
    SHUT,
    acl,
    sides_by_user,
    sorted_lists,
)
from tests.differential.test_wire_acls_of_groups import ASKED

pytestmark = pytest.mark.kafka

RIGHTS = sorted(
    # Who may read becomes a member of groups, and sessions end by time: nobody comes after.
    {operation for each in OPERATIONS.values() for operation in each},
    key=lambda operation: (operation is Operation.READ, operation),
)
NEW_IDS = m.InitProducerIdRequest(
    transactional_id=None, transaction_timeout_ms=1000, producer_id=-1, producer_epoch=-1
)
ALL_ASKED = [
    *((api, lambda side, make=make: make(side), ()) for api, make in REQUESTS.items()),
    *ASKED,
    (ApiKey.INIT_PRODUCER_ID, lambda side: NEW_IDS, ()),
]
OF_THE_SIDE = {ApiKey.DESCRIBE_LOG_DIRS, ApiKey.LIST_CONFIG_RESOURCES}
"""APIs of whose answer the error alone is compared: the rest is not the same on any two brokers."""
LEFT_OUT = {
    Operation.READ.name: {ApiKey.SHARE_FETCH, ApiKey.SHARE_ACKNOWLEDGE},
    Operation.DELETE.name: {ApiKey.DELETE_TOPICS},
}
"""APIs that have tests of their own: Kafka answers members of a share group when it has read its
state, which takes a while, and without topics nothing would be left for the others."""


def prepare(side: Side) -> None:
    """Give each user its right, and let Kafka make the coordinators of transactions."""
    everywhere = {
        kind: "kafka-cluster" if kind is ResourceType.CLUSTER else "*"
        for kind in (*OPERATIONS, ResourceType.TRANSACTIONAL_ID)
    }
    of_transactions = (Operation.WRITE, Operation.DESCRIBE)
    acls = [
        acl(operation, name, kind, principal=f"User:{operation.name}")
        for kind, name in everywhere.items()
        for operation in OPERATIONS.get(kind, of_transactions)
    ]
    created = side.call(ApiKey.CREATE_ACLS, 3, m.CreateAclsRequest(creations=acls))
    assert {each.error_code for each in created.results} == {0}
    side.new_producer_id()
    asked = m.FindCoordinatorRequest(key=SHUT, key_type=1)
    ended = m.EndTxnRequest(transactional_id=SHUT, producer_id=1, producer_epoch=0, committed=True)
    for _ in attempts():
        if side.call(ApiKey.FIND_COORDINATOR, 3, asked).error_code == 0:
            answer = side.call(ApiKey.END_TXN, 3, ended)
            if answer.error_code == ErrorCode.INVALID_PRODUCER_ID_MAPPING.code:
                break
    side.disconnect()


@pytest.fixture(scope="module")
def allowed() -> Iterator[dict[str, Sides]]:
    """Both brokers by the right that the one who asks has."""
    with sides_by_user(*(each.name for each in RIGHTS)) as sides:
        prepare(sides["super"].kafka)
        prepare(sides["super"].bus)
        yield sides


def timeless(value: Any) -> Any:
    """Return plain values with one word for each time at which something was written."""
    if isinstance(value, dict):
        return {
            name: "then" if name.endswith("timestamp") and each else timeless(each)
            for name, each in value.items()
        }
    return type(value)(map(timeless, value)) if isinstance(value, list | tuple) else value


def plain(side: Any, api: ApiKey, answer: Any) -> Any:
    """Return an answer without what differs anyhow; see docs/referee.md."""
    if api in OF_THE_SIDE:
        return answer["error_code"]
    if api is ApiKey.JOIN_GROUP and answer["member_id"]:
        side.name(answer["member_id"], "a new member")
        return side.plain(answer["member_id"]), answer["error_code"]
    for topic in answer.get("responses", ()) if api is ApiKey.ALTER_SHARE_GROUP_OFFSETS else ():
        topic.pop("topic_id")
    return sorted_lists(timeless(answer))


@pytest.mark.parametrize("right", [each.name for each in RIGHTS])
def test_what_one_right_alone_allows(allowed: dict[str, Sides], right: str) -> None:
    def scenario(side: Any) -> Any:
        for name, topic_id in side.topics.items():
            side.name(topic_id, f"id of {name}")
        told = []
        for api, make, values in ALL_ASKED:
            if api not in LEFT_OUT.get(right, ()):
                answer = side.ask(api, SERVED[api].max_version, make(side, *values))
                told.append((api.name, values, plain(side, api, answer)))
        return told

    allowed[right].compare(scenario)
