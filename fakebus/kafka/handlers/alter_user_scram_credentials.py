"""AlterUserScramCredentials 0 (KIP-554).

Behaviour:
    * Credentials hold at once, outlast a restart, and come before those of fakebus.sasl.users.
    * Each user is changed wholly or not at all, independent of the others.

Version notes:
    0 the only one.
"""

from __future__ import annotations

from fakebus.broker.security.scram import ScramChange
from fakebus.errors import ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)


@handles(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, needs=("ALTER CLUSTER",))
async def handle_alter_user_scram_credentials(
    request: AlterUserScramCredentialsRequest, context: RequestContext
) -> AlterUserScramCredentialsResponse:
    """Create, replace and delete SCRAM credentials."""
    changes = [
        *(ScramChange(each.name, each.mechanism) for each in request.deletions),
        *(
            ScramChange(
                each.name,
                each.mechanism,
                each.iterations,
                bytes(each.salt),
                bytes(each.salted_password),
            )
            for each in request.upsertions
        ),
    ]
    response = AlterUserScramCredentialsResponse()
    try:
        results = await context.broker.security.scram.alter(changes)
    except StorageError as error:
        for user in dict.fromkeys(change.user for change in changes):
            response.results.append(
                AlterUserScramCredentialsResult(
                    user=user,
                    error_code=ErrorCode.KAFKA_STORAGE_ERROR.code,
                    error_message=str(error),
                )
            )
        return response
    for user, refused in results.items():
        result = AlterUserScramCredentialsResult(user=user)
        if refused is not None:
            result.error_code, result.error_message = refused.error_code.code, refused.message
        response.results.append(result)
    return response
