"""DescribeCluster 0-2 (KIP-700).

Behaviour:
    * Brokers are given at the address that this client can reach; one that has stopped is fenced.
    * There is no endpoint for controllers: MISMATCHED_ENDPOINT_TYPE.

Version notes:
    1 the kind of endpoint (KIP-919); 2 fenced brokers (KIP-1073).
"""

from __future__ import annotations

from fakebus.broker.security.resources import CLUSTER_NAME, NOT_ASKED, ResourceType
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

_BROKERS = 1
_CONTROLLERS = 2


@handles(ApiKey.DESCRIBE_CLUSTER, needs=("DESCRIBE CLUSTER inside",))
def handle_describe_cluster(
    request: DescribeClusterRequest, context: RequestContext
) -> DescribeClusterResponse:
    """Describe the cluster and its brokers."""
    if request.endpoint_type != _BROKERS:
        return _wrong_endpoint(request.endpoint_type)
    return DescribeClusterResponse(
        cluster_id=context.broker.cluster_id,
        controller_id=context.controller,
        brokers=[
            DescribeClusterBroker(
                broker_id=broker.node_id,
                host=broker.host,
                port=broker.port,
                rack=broker.rack,
                is_fenced=not broker.running,
            )
            for broker in context.advertised(context.connection)
            if broker.running or request.include_fenced_brokers
        ],
        cluster_authorized_operations=(
            context.operations(ResourceType.CLUSTER, CLUSTER_NAME)
            if request.include_cluster_authorized_operations
            else NOT_ASKED
        ),
    )


def _wrong_endpoint(endpoint_type: int) -> DescribeClusterResponse:
    if endpoint_type == _CONTROLLERS:
        error_code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
        message = "this is an endpoint for clients of the brokers, not of the controllers"
    else:
        error_code = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        message = f"there is no endpoint type {endpoint_type}"
    return DescribeClusterResponse(error_code=error_code.code, error_message=message, cluster_id="")
