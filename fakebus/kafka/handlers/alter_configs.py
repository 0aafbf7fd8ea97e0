"""AlterConfigs 0-2.

Behaviour:
    * Replaces all configs of a resource; what is not named goes back to its default.
      IncrementalAlterConfigs, which changes single ones, has taken its place.
    * Each resource is changed wholly or not at all, independent of the others.

Version notes:
    1 throttle time; 2 flexible.
"""

from __future__ import annotations

from fakebus.broker.config_requests import ConfigChange, ResourceChange
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterConfigsRequest,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


@handles(ApiKey.ALTER_CONFIGS, needs=("ALTER_CONFIGS CONFIG resources[]",))
async def handle_alter_configs(
    request: AlterConfigsRequest, context: RequestContext
) -> AlterConfigsResponse:
    """Replace the configs of resources."""
    wanted = [
        ResourceChange(
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            changes=[
                ConfigChange(name=config.name, value=config.value) for config in resource.configs
            ],
        )
        for resource in request.resources
    ]
    results = await context.broker.config_admin.replace(
        wanted, node_id=context.node_id, validate_only=request.validate_only
    )
    return AlterConfigsResponse(
        responses=[
            AlterConfigsResourceResponse(
                error_code=result.error_code.code,
                error_message=result.error_message,
                resource_type=result.resource_type,
                resource_name=result.resource_name,
            )
            for result in results
        ]
    )
