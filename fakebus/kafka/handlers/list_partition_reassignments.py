"""ListPartitionReassignments 0.

Behaviour:
    * No partition is ever on its way to another broker, so the list is empty.

Version notes:
    0 the only one.
"""

from __future__ import annotations

from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


@handles(ApiKey.LIST_PARTITION_REASSIGNMENTS, needs=("DESCRIBE CLUSTER",))
def handle_list_partition_reassignments(
    request: ListPartitionReassignmentsRequest, context: RequestContext
) -> ListPartitionReassignmentsResponse:
    """Say that no reassignment is under way."""
    return ListPartitionReassignmentsResponse()
