"""Every API that is served, in each of its versions: a request that asks for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.kafka.served import SERVED, ServedApi
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.group_cases import new_group
from tests.differential.sides import Side, Sides

pytestmark = pytest.mark.kafka

CONTENTS = {
    ApiKey.DESCRIBE_CLIENT_QUOTAS,
    ApiKey.DESCRIBE_LOG_DIRS,
    ApiKey.DESCRIBE_TOPIC_PARTITIONS,
    ApiKey.LIST_CONFIG_RESOURCES,
    ApiKey.LIST_GROUPS,
    ApiKey.LIST_TRANSACTIONS,
    ApiKey.METADATA,
}
"""What tells everything then: all that other tests have left behind."""
ELSEWHERE = {ApiKey.API_VERSIONS, ApiKey.PRODUCE, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE}
KAFKA_FAILS = {ApiKey.DESCRIBE_ACLS: 1, ApiKey.ADD_PARTITIONS_TO_TXN: 4}
"""From which version on Kafka closes the connection, or never answers."""
NEVER_SENT = {ApiKey.UNREGISTER_BROKER}
ASKED = [
    (api, version)
    for api in SERVED.values()
    if api.api_key not in CONTENTS | ELSEWHERE | NEVER_SENT
    for version in range(api.advertised_min_version, api.max_version + 1)
    if version < KAFKA_FAILS.get(api.api_key, 100)
]


@pytest.mark.parametrize(
    ("served", "version"), ASKED, ids=[f"{each.api_key.name} {n}" for each, n in ASKED]
)
def test_a_request_for_nothing_is_answered_alike(
    sides: Sides, served: ServedApi, version: int
) -> None:
    api = served.api_key
    words = "".join(word.capitalize() for word in api.name.split("_"))

    def scenario(side: Side) -> Any:
        request = getattr(m, f"{words}Request")()
        if api is ApiKey.OFFSET_FETCH:
            request.group_id = new_group(side)
        answer = side.ask(api, version, request)
        # Kafka says what is wrong where it likes, and nothing by an empty text, too.
        answer.pop("error_message", None)
        return answer

    sides.compare(scenario)
