"""ApiVersions 0-4.

Behaviour:
    * The ranges come from the handlers that exist; nothing is listed twice.
    * A version that is not served is answered in the layout of version 0 with
      UNSUPPORTED_VERSION and the range of this one API, so that the client can try again.
    * No feature is finalized, so clients keep to the first transaction protocol.

Version notes:
    1 adds throttle_time_ms; 3 is flexible and names the client's software (KIP-511);
    4 allows features with minimum 0 (KIP-1022).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fakebus.errors import ErrorCode
from fakebus.kafka.api import Handler, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
_MAX_VERSION = 4
_FIRST_WITH_SOFTWARE = 3


@handles(ApiKey.API_VERSIONS, versions=(0, _MAX_VERSION))
def handle_api_versions(
    request: ApiVersionsRequest | None, context: RequestContext
) -> ApiVersionsResponse:
    """Tell the client which versions it may use; ``None`` is a version we cannot read."""
    if request is None:
        own = [h for h in context.handlers if h.api_key is ApiKey.API_VERSIONS]
        return _response(ErrorCode.UNSUPPORTED_VERSION, own)
    if context.api_version >= _FIRST_WITH_SOFTWARE:
        name, version = request.client_software_name, request.client_software_version
        if not _SOFTWARE.fullmatch(name) or not _SOFTWARE.fullmatch(version):
            return _response(ErrorCode.INVALID_REQUEST, [])
        context.connection.client_software_name = name
        context.connection.client_software_version = version
    if context.connection.sasl is not None:
        context.connection.sasl.tell_versions()
    return _response(ErrorCode.NONE, context.handlers)


def _response(error: ErrorCode, handlers: Iterable[Handler]) -> ApiVersionsResponse:
    return ApiVersionsResponse(
        error_code=error.code,
        api_keys=[
            ApiVersion(
                api_key=int(handler.api_key),
                min_version=handler.advertised_min_version,
                max_version=handler.max_version,
            )
            for handler in handlers
        ],
    )
