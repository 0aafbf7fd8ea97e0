"""DescribeAcls 1-3.

Behaviour:
    * There is no authorizer: SECURITY_DISABLED, as Kafka says without one.

Version notes:
    1 kinds of patterns (KIP-290); 2 flexible; 3 user as a type of resource.
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import DescribeAclsRequest, DescribeAclsResponse


@handles(ApiKey.DESCRIBE_ACLS, versions=(1, 3))
def handle_describe_acls(
    request: DescribeAclsRequest, context: RequestContext
) -> DescribeAclsResponse:
    """Say that nobody checks access here."""
    error = ErrorCode.SECURITY_DISABLED
    return DescribeAclsResponse(error_code=error.code, error_message=error.text)
