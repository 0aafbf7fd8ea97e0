"""ElectLeaders 0-2.

Behaviour:
    * Every partition has its preferred leader already: ELECTION_NOT_NEEDED, and nothing is
      said of partitions when the request means all of them.

Version notes:
    0 preferred leaders only; 1 kind of election, top-level error; 2 flexible.
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

_KINDS_OF_ELECTION = (0, 1)
"""Preferred, and unclean."""


@handles(ApiKey.ELECT_LEADERS, versions=(0, 2), needs=("ALTER CLUSTER",))
def handle_elect_leaders(
    request: ElectLeadersRequest, context: RequestContext
) -> ElectLeadersResponse:
    """Say that no leader has to be elected."""
    known_kind = request.election_type in _KINDS_OF_ELECTION
    results = []
    for named in request.topic_partitions or ():
        partitions = [
            _result(named.topic, index, context, known_kind) for index in named.partitions
        ]
        results.append(ReplicaElectionResult(topic=named.topic, partition_result=partitions))
    refused = not known_kind and request.topic_partitions != []
    return ElectLeadersResponse(
        error_code=(ErrorCode.INVALID_REQUEST if refused else ErrorCode.NONE).code,
        replica_election_results=results,
    )


def _result(
    topic_name: str, index: int, context: RequestContext, known_kind: bool
) -> PartitionResult:
    topic = context.broker.topics.get(topic_name)
    if not known_kind:
        error_code = ErrorCode.INVALID_REQUEST
    elif topic is None or topic.partition(index) is None:
        error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    else:
        error_code = ErrorCode.ELECTION_NOT_NEEDED
    return PartitionResult(
        partition_id=index, error_code=error_code.code, error_message=error_code.text
    )
