"""DescribeUserScramCredentials 0.

Behaviour:
    * Users are named in fakebus.sasl.users at start; none is kept as a SCRAM credential that
      clients can see or change: RESOURCE_NOT_FOUND for each that is named, nothing for all.
    * A user that is named twice: DUPLICATE_RESOURCE.
"""

from __future__ import annotations

from collections import Counter

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)


@handles(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, versions=(0, 0), needs=("DESCRIBE CLUSTER",))
def handle_describe_user_scram_credentials(
    request: DescribeUserScramCredentialsRequest, context: RequestContext
) -> DescribeUserScramCredentialsResponse:
    """Say that there are no credentials."""
    named = Counter(user.name for user in request.users or ())
    return DescribeUserScramCredentialsResponse(
        error_message="", results=[_result(name, count) for name, count in named.items()]
    )


def _result(name: str, count: int) -> DescribeUserScramCredentialsResult:
    if count > 1:
        error, text = ErrorCode.DUPLICATE_RESOURCE, f"the request names {name!r} more than once"
    else:
        error, text = ErrorCode.RESOURCE_NOT_FOUND, f"{name!r} has no SCRAM credentials"
    return DescribeUserScramCredentialsResult(user=name, error_code=error.code, error_message=text)
