"""ListGroups 0-5.

Behaviour:
    * Filters by state and by type look at neither case nor surrounding space; an unknown
      name finds nothing.

Version notes:
    3 flexible; 4 states (KIP-518); 5 types (KIP-848).
"""

from __future__ import annotations

from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import ListedGroup, ListGroupsRequest, ListGroupsResponse


@handles(ApiKey.LIST_GROUPS, versions=(0, 5))
def handle_list_groups(request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse:
    """Name the groups that exist."""
    states = _normalised(request.states_filter)
    types = _normalised(request.types_filter)
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
        ]
    )


def _normalised(names: list[str]) -> set[str]:
    return {name.strip().lower() for name in names}
