"""ElectLeaders 0-2.

Behaviour:
    * A partition that its preferred replica leads already: ELECTION_NOT_NEEDED, and nothing is
      said of it when the request means all partitions. With a single node that is so of all.
      Their topics are named all the same.

Version notes:
    0 preferred leaders only; 1 kind of election, top-level error; 2 flexible.
"""

from __future__ import annotations

from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.deadlines import in_time
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

_PREFERRED, _UNCLEAN = 0, 1
_KINDS_OF_ELECTION = (_PREFERRED, _UNCLEAN)


@handles(ApiKey.ELECT_LEADERS, needs=("ALTER CLUSTER",))
@in_time(lambda request, _: request.topic_partitions != [])
async def handle_elect_leaders(
    request: ElectLeadersRequest, context: RequestContext
) -> ElectLeadersResponse:
    """Let the preferred replicas lead again."""
    known_kind = request.election_type in _KINDS_OF_ELECTION
    results = []
    for named in request.topic_partitions or ():
        partitions = [
            await _result(named.topic, index, context, request.election_type)
            for index in named.partitions
        ]
        results.append(ReplicaElectionResult(topic=named.topic, partition_result=partitions))
    if request.topic_partitions is None and known_kind:
        results = await _elect_everywhere(context, request.election_type)
    refused = not known_kind and request.topic_partitions != []
    return ElectLeadersResponse(
        error_code=(ErrorCode.INVALID_REQUEST if refused else ErrorCode.NONE).code,
        replica_election_results=results,
    )


async def _result(
    topic_name: str, index: int, context: RequestContext, kind: int
) -> PartitionResult:
    topic = context.broker.topics.get(topic_name)
    if kind not in _KINDS_OF_ELECTION:
        error_code = ErrorCode.INVALID_REQUEST
    elif topic is None or topic.partition(index) is None:
        error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    else:
        error_code = ErrorCode.NONE
        try:
            await context.broker.nodes.elect(topic, index, unclean=kind == _UNCLEAN)
        except BrokerError as error:
            error_code = error.error_code
        except StorageError:
            error_code = ErrorCode.KAFKA_STORAGE_ERROR
    return PartitionResult(
        partition_id=index, error_code=error_code.code, error_message=error_code.text
    )


async def _elect_everywhere(context: RequestContext, kind: int) -> list[ReplicaElectionResult]:
    """Elect leaders wherever that is needed, and tell of these partitions, but of all topics."""
    results = []
    not_needed = ErrorCode.ELECTION_NOT_NEEDED.code
    single = context.broker.nodes.single
    async for topic in in_turns(list(context.broker.topics)):
        told = [
            await _result(topic.name, index, context, kind)
            for index in range(0 if single else len(topic.partitions))
        ]
        told = [each for each in told if each.error_code != not_needed]
        results.append(ReplicaElectionResult(topic=topic.name, partition_result=told))
    return results
