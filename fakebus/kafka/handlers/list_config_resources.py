"""ListConfigResources 0-1 (KIP-1142; version 0 was ListClientMetricsResources).

Behaviour:
    * Lists what has configs: topics, the broker and its loggers, and groups and client
      metrics subscriptions that configs were given to.

Version notes:
    0 client metrics subscriptions only; 1 by type, all types for none.
"""

from __future__ import annotations

from fakebus.broker.config_requests import ConfigResourceType
from fakebus.errors import BrokerError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)


@handles(ApiKey.LIST_CONFIG_RESOURCES, needs=("DESCRIBE_CONFIGS CLUSTER",))
def handle_list_config_resources(
    request: ListConfigResourcesRequest, context: RequestContext
) -> ListConfigResourcesResponse:
    """List resources that have configs."""
    types = (
        request.resource_types if context.api_version else [ConfigResourceType.CLIENT_METRICS.value]
    )
    try:
        resources = context.broker.config_admin.resources(types)
    except BrokerError as error:
        return ListConfigResourcesResponse(error_code=error.error_code.code)
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_type=kind, resource_name=name) for kind, name in resources
        ]
    )
