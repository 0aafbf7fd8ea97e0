"""DeleteGroups 0-2.

Behaviour:
    * Only a group without members can be deleted; its committed offsets go with it.
    * A group that is named twice is answered once.

Version notes:
    2 flexible.
"""

from __future__ import annotations

import asyncio

from fakebus.broker.turns import in_turns
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)


@handles(
    ApiKey.DELETE_GROUPS,
    needs=("DELETE GROUP groups_names[]",),
    coordinator="GROUP groups_names[]",
)
async def handle_delete_groups(
    request: DeleteGroupsRequest, context: RequestContext
) -> DeleteGroupsResponse:
    """Delete groups one by one."""
    group_ids = list(dict.fromkeys(request.groups_names))
    coordinator = context.broker.group_coordinator
    # Each refusal is a line of the log, and thousands of groups may be named.
    deleted = [coordinator.delete_group(each) async for each in in_turns(group_ids)]
    errors = await asyncio.gather(*deleted)
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=group_id, error_code=error.code)
            for group_id, error in zip(group_ids, errors, strict=True)
        ]
    )
