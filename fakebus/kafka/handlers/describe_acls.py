"""DescribeAcls 1-3.

Behaviour:
    * ACLs with the same pattern are told together.
    * Without an authorizer: SECURITY_DISABLED.

Version notes:
    1 kinds of patterns (KIP-290); 2 flexible; 3 user as a type of resource.
"""

from __future__ import annotations

from fakebus.broker.security.acls import Acl, filter_of
from fakebus.errors import ErrorCode
from fakebus.kafka.api import CloseConnection, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AclDescription,
    DescribeAclsRequest,
    DescribeAclsResource,
    DescribeAclsResponse,
)


@handles(ApiKey.DESCRIBE_ACLS, needs=("DESCRIBE CLUSTER",))
def handle_describe_acls(
    request: DescribeAclsRequest, context: RequestContext
) -> DescribeAclsResponse:
    """Tell which ACLs match a filter."""
    if context.broker.security.authorizer is None:
        error = ErrorCode.SECURITY_DISABLED
        return DescribeAclsResponse(error_code=error.code, error_message=error.text)
    try:
        found = context.broker.security.authorizer.find(filter_of(request))
    except ValueError as error:
        raise CloseConnection(str(error)) from None
    by_pattern: dict[tuple[int, str, int], list[Acl]] = {}
    for acl in found:
        by_pattern.setdefault((acl.resource_type, acl.name, acl.pattern_type), []).append(acl)
    return DescribeAclsResponse(
        error_message="",  # not null, as in Kafka
        resources=[
            DescribeAclsResource(
                resource_type=resource_type,
                resource_name=name,
                pattern_type=pattern_type,
                acls=[
                    AclDescription(
                        principal=acl.principal,
                        host=acl.host,
                        operation=acl.operation,
                        permission_type=acl.permission,
                    )
                    for acl in acls
                ],
            )
            for (resource_type, name, pattern_type), acls in by_pattern.items()
        ],
    )
