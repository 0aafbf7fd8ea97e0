"""DeleteAcls 1-3.

Behaviour:
    * There is no authorizer: SECURITY_DISABLED for each filter, as Kafka says without one.

Version notes:
    1 kinds of patterns (KIP-290); 2 flexible; 3 user as a type of resource.
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse


@handles(ApiKey.DELETE_ACLS, versions=(1, 3))
def handle_delete_acls(request: DeleteAclsRequest, context: RequestContext) -> DeleteAclsResponse:
    """Say of each filter that nobody checks access here."""
    error = ErrorCode.SECURITY_DISABLED
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(error_code=error.code, error_message=error.text)
            for _ in request.filters
        ]
    )
