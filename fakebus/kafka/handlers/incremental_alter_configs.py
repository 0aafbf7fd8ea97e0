"""IncrementalAlterConfigs 0-1 (KIP-339).

Behaviour:
    * Sets or deletes single configs, and adds to or takes from those that are lists.
    * Each resource is changed wholly or not at all, independent of the others.
    * Configs of the broker can be changed where Kafka allows it, for this broker or, without
      a name, for the cluster. They outlast a restart; levels of loggers do not.

Version notes:
    1 flexible.
"""

from __future__ import annotations

from fakebus.broker.config_requests import ConfigChange, ResourceChange
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)


@handles(ApiKey.INCREMENTAL_ALTER_CONFIGS, needs=("ALTER_CONFIGS CONFIG resources[]",))
async def handle_incremental_alter_configs(
    request: IncrementalAlterConfigsRequest, context: RequestContext
) -> IncrementalAlterConfigsResponse:
    """Change single configs of resources."""
    wanted = [
        ResourceChange(
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            changes=[
                ConfigChange(
                    name=config.name, value=config.value, operation=config.config_operation
                )
                for config in resource.configs
            ],
        )
        for resource in request.resources
    ]
    results = await context.broker.config_admin.alter(
        wanted, node_id=context.node_id, validate_only=request.validate_only
    )
    return IncrementalAlterConfigsResponse(
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
