"""ListGroups 0-5.

Behaviour:
    * Filters by state and by type look at neither case nor surrounding space; an unknown
      name finds nothing.
    * A client that may not describe the cluster is told of the groups that it may describe.

Version notes:
    3 flexible; 4 states (KIP-518); 5 types (KIP-848).
"""

from __future__ import annotations

from fakebus.broker.nodes import KEPT_IN
from fakebus.broker.security.resources import CLUSTER_NAME, ResourceType
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import ListedGroup, ListGroupsRequest, ListGroupsResponse


@handles(ApiKey.LIST_GROUPS, needs=("DESCRIBE GROUP inside",))
def handle_list_groups(request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse:
    """Name the groups that exist."""
    states = _normalised(request.states_filter)
    types = _normalised(request.types_filter)
    sees_all = context.sees(ResourceType.CLUSTER, CLUSTER_NAME)
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type,
                group_state=group.state,
                group_type=group.group_type,
            )
            for group in context.broker.group_coordinator.list_groups()
            if (not states or group.state.lower() in states)
            and (not types or group.group_type in types)
            and context.coordinates(KEPT_IN["GROUP"], group.group_id)
            and (sees_all or context.sees(ResourceType.GROUP, group.group_id))
        ]
    )


def _normalised(names: list[str]) -> set[str]:
    return {name.strip().lower() for name in names}
