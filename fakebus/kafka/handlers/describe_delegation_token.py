"""DescribeDelegationToken 1-3 (KIP-48).

Behaviour:
    * Only clients that have logged in by other means may ask, and not on a PLAINTEXT listener.
    * Owners, requesters and renewers see a token; others with DESCRIBE on it, or with
      DESCRIBE_TOKENS on its owner.
    * No owner at all asks for nothing, null for the tokens of everybody.

Version notes:
    2 flexible; 3 who has asked for a token (KIP-373).
"""

from __future__ import annotations

from fakebus.broker.security.delegation_tokens import DelegationToken
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribedDelegationToken,
    DescribedDelegationTokenRenewer,
    DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse,
)


@handles(
    ApiKey.DESCRIBE_DELEGATION_TOKEN,
    needs=("DESCRIBE DELEGATION_TOKEN inside", "DESCRIBE_TOKENS USER inside"),
)
def handle_describe_delegation_token(
    request: DescribeDelegationTokenRequest, context: RequestContext
) -> DescribeDelegationTokenResponse:
    """Return the tokens that the client may see."""
    owners = None
    if request.owners is not None:
        owners = {f"{each.principal_type}:{each.principal_name}" for each in request.owners}
    try:
        if not context.connection.may_ask_for_tokens:
            raise BrokerError(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
        tokens = [
            _described(token, context)
            for token in context.broker.security.tokens.all()
            if (owners is None or any(map(token.concerns, owners))) and _sees(token, context)
        ]
    except BrokerError as error:
        return DescribeDelegationTokenResponse(error_code=error.error_code.code, tokens=[])
    return DescribeDelegationTokenResponse(tokens=tokens)


def _sees(token: DelegationToken, context: RequestContext) -> bool:
    return (
        token.concerns(context.connection.principal)
        or context.allows(Operation.DESCRIBE, ResourceType.DELEGATION_TOKEN, token.token_id)
        or context.allows(Operation.DESCRIBE_TOKENS, ResourceType.USER, token.owner)
    )


def _described(token: DelegationToken, context: RequestContext) -> DescribedDelegationToken:
    owner, requester, *renewers = (
        principal.partition(":") for principal in (token.owner, token.requester, *token.renewers)
    )
    return DescribedDelegationToken(
        principal_type=owner[0],
        principal_name=owner[2],
        token_requester_principal_type=requester[0],
        token_requester_principal_name=requester[2],
        issue_timestamp=token.issued_ms,
        expiry_timestamp=token.expires_ms,
        max_timestamp=token.ends_ms,
        token_id=token.token_id,
        hmac=context.broker.security.tokens.hmac_of(token.token_id),
        renewers=[
            DescribedDelegationTokenRenewer(principal_type=kind, principal_name=name)
            for kind, _, name in renewers
        ],
    )
