"""DeleteAcls 1-3.

Behaviour:
    * Each filter is answered with the ACLs that it has taken away.
    * Without an authorizer: SECURITY_DISABLED for each filter.

Version notes:
    1 kinds of patterns (KIP-290); 2 flexible; 3 user as a type of resource.
"""

from __future__ import annotations

from fakebus.broker.security.acls import Acl, filter_of
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import CloseConnection, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteAclsFilterResult,
    DeleteAclsMatchingAcl,
    DeleteAclsRequest,
    DeleteAclsResponse,
)


@handles(ApiKey.DELETE_ACLS, needs=("ALTER CLUSTER",))
async def handle_delete_acls(
    request: DeleteAclsRequest, context: RequestContext
) -> DeleteAclsResponse:
    """Take away the ACLs that filters match."""
    authorizer = context.broker.security.authorizer
    try:
        if authorizer is None:
            raise BrokerError(ErrorCode.SECURITY_DISABLED)
        found = [authorizer.find(filter_of(each)) for each in request.filters]
        await authorizer.delete([acl for acls in found for acl in acls])
    except ValueError as error:
        raise CloseConnection(str(error)) from None
    except BrokerError as error:
        return _refused(request, error)
    except StorageError as error:
        return _refused(request, BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)))
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(matching_acls=[_matching(acl) for acl in acls]) for acls in found
        ]
    )


def _refused(request: DeleteAclsRequest, error: BrokerError) -> DeleteAclsResponse:
    code, message = error.error_code.code, error.message
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(error_code=code, error_message=message) for _ in request.filters
        ]
    )


def _matching(acl: Acl) -> DeleteAclsMatchingAcl:
    return DeleteAclsMatchingAcl(
        resource_type=acl.resource_type,
        resource_name=acl.name,
        pattern_type=acl.pattern_type,
        principal=acl.principal,
        host=acl.host,
        operation=acl.operation,
        permission_type=acl.permission,
    )
