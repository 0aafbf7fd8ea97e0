"""CreateDelegationToken 1-3 (KIP-48).

Behaviour:
    * Only clients that have logged in by other means may ask, and not on a PLAINTEXT listener.
    * Without delegation.token.secret.key: DELEGATION_TOKEN_AUTH_DISABLED.
    * A token for somebody else needs the right to CREATE_TOKENS of that user.

Version notes:
    2 flexible; 3 an owner who is not the requester (KIP-373).
"""

from __future__ import annotations

from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import CreateDelegationTokenRequest, CreateDelegationTokenResponse


@handles(ApiKey.CREATE_DELEGATION_TOKEN, needs=("CREATE_TOKENS USER inside",))
async def handle_create_delegation_token(
    request: CreateDelegationTokenRequest, context: RequestContext
) -> CreateDelegationTokenResponse:
    """Make a token."""
    requester = owner = context.connection.principal
    if request.owner_principal_name:
        owner = f"{request.owner_principal_type}:{request.owner_principal_name}"
    renewers = [f"{each.principal_type}:{each.principal_name}" for each in request.renewers]
    response = CreateDelegationTokenResponse(hmac=b"")
    kind, _, response.principal_name = owner.partition(":")
    response.principal_type = kind
    kind, _, response.token_requester_principal_name = requester.partition(":")
    response.token_requester_principal_type = kind
    tokens = context.broker.security.tokens
    try:
        refusal = _refusal(request, owner, context)
        if refusal is not None:
            # What Kafka's broker refuses has no times; what its controller refuses has zeros.
            response.issue_timestamp_ms = -1
            response.expiry_timestamp_ms = response.max_timestamp_ms = -1
            raise BrokerError(refusal)
        token = await tokens.create(owner, requester, renewers, request.max_lifetime_ms)
    except BrokerError as error:
        response.error_code = error.error_code.code
    except StorageError:
        response.error_code = ErrorCode.KAFKA_STORAGE_ERROR.code
    else:
        response.issue_timestamp_ms = token.issued_ms
        response.expiry_timestamp_ms = token.expires_ms
        response.max_timestamp_ms = token.ends_ms
        response.token_id, response.hmac = token.token_id, tokens.hmac_of(token.token_id)
    return response


def _refusal(
    request: CreateDelegationTokenRequest, owner: str, context: RequestContext
) -> ErrorCode | None:
    if not context.connection.may_ask_for_tokens:
        return ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
    if owner != context.connection.principal and not context.allows(
        Operation.CREATE_TOKENS, ResourceType.USER, owner
    ):
        return ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED
    if any(each.principal_type != "User" for each in request.renewers):
        return ErrorCode.INVALID_PRINCIPAL_TYPE
    return None
