"""What RenewDelegationToken and ExpireDelegationToken have in common (KIP-48)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext
from fakebus.protocol.messages import ExpireDelegationTokenResponse, RenewDelegationTokenResponse
from fakebus.types import Buffer

Response = TypeVar("Response", ExpireDelegationTokenResponse, RenewDelegationTokenResponse)


async def with_expiry(
    response: Response,
    context: RequestContext,
    change: Callable[[bytes, str, int], Awaitable[int]],
    hmac: Buffer,
    period_ms: int,
) -> Response:
    """Return an answer with when a token expires from now on, or with why nothing has changed.

    Args:
        response: the answer, to be filled in.
        context: of the request.
        change: changes when a token expires, and returns that.
        hmac: of the token.
        period_ms: what is asked for.
    """
    client = context.connection
    try:
        if not client.may_ask_for_tokens:
            response.expiry_timestamp_ms = -1
            raise BrokerError(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
        response.expiry_timestamp_ms = await change(bytes(hmac), client.principal, period_ms)
    except BrokerError as error:
        response.error_code = error.error_code.code
    except StorageError:
        response.error_code = ErrorCode.KAFKA_STORAGE_ERROR.code
    return response
