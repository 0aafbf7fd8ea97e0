"""CreateAcls 1-3.

Behaviour:
    * Each ACL has its own result; those that are there already are no mistake. They hold when the
      answer leaves, and outlast a restart.
    * Without an authorizer: SECURITY_DISABLED for each.

Version notes:
    1 kinds of patterns (KIP-290); 2 flexible; 3 user as a type of resource.
"""

from __future__ import annotations

from fakebus.broker.security.acls import Acl, demand_known
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AclCreation,
    AclCreationResult,
    CreateAclsRequest,
    CreateAclsResponse,
)


@handles(ApiKey.CREATE_ACLS, needs=("ALTER CLUSTER",))
async def handle_create_acls(
    request: CreateAclsRequest, context: RequestContext
) -> CreateAclsResponse:
    """Create ACLs."""
    authorizer = context.broker.security.authorizer
    if authorizer is None:
        return _refused(request, BrokerError(ErrorCode.SECURITY_DISABLED))
    try:
        wanted = [_acl(each) for each in request.creations]
        demand_known(wanted)
    except BrokerError as error:
        return _refused(request, error)
    results = [AclCreationResult(error_message="") for _ in wanted]
    fitting = []
    for acl, result in zip(wanted, results, strict=True):
        try:
            acl.check()
        except BrokerError as error:
            result.error_code, result.error_message = error.error_code.code, error.message
        else:
            fitting.append(acl)
    try:
        await authorizer.create(fitting)
    except BrokerError as error:
        return _refused(request, error)
    except StorageError as error:
        return _refused(request, BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)))
    return CreateAclsResponse(results=results)


def _refused(request: CreateAclsRequest, error: BrokerError) -> CreateAclsResponse:
    code, message = error.error_code.code, error.message
    return CreateAclsResponse(
        results=[
            AclCreationResult(error_code=code, error_message=message) for _ in request.creations
        ]
    )


def _acl(creation: AclCreation) -> Acl:
    return Acl(
        creation.resource_type,
        creation.resource_name,
        creation.resource_pattern_type,
        creation.principal,
        creation.host,
        creation.operation,
        creation.permission_type,
    )
