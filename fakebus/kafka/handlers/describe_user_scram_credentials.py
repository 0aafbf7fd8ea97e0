"""DescribeUserScramCredentials 0 (KIP-554).

Behaviour:
    * What clients have made is told; the users of fakebus.sasl.users are configured, and not shown.
    * A user without credentials: RESOURCE_NOT_FOUND. One that is named twice: DUPLICATE_RESOURCE.

Version notes:
    0 the only one.
"""

from __future__ import annotations

from collections import Counter

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CredentialInfo,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)


@handles(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, needs=("DESCRIBE CLUSTER",))
def handle_describe_user_scram_credentials(
    request: DescribeUserScramCredentialsRequest, context: RequestContext
) -> DescribeUserScramCredentialsResponse:
    """Tell which SCRAM credentials users have."""
    known = context.broker.security.scram.by_user()
    named = Counter([user.name for user in request.users or ()] or list(known))
    results = []
    for name in named:
        result = DescribeUserScramCredentialsResult(
            user=name,
            credential_infos=[
                CredentialInfo(mechanism=mechanism, iterations=iterations)
                for mechanism, iterations in known.get(name, ())
            ],
        )
        if named[name] > 1:
            result.error_code = ErrorCode.DUPLICATE_RESOURCE.code
            result.error_message = f"the request names {name!r} more than once"
            result.credential_infos = []
        elif name not in known:
            result.error_code = ErrorCode.RESOURCE_NOT_FOUND.code
            result.error_message = f"{name!r} has no SCRAM credentials"
        results.append(result)
    return DescribeUserScramCredentialsResponse(error_message="", results=results)
