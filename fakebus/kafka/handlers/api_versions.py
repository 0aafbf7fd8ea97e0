"""ApiVersions 0-4.

Behaviour:
    * The ranges are those by which requests are let in; nothing is listed twice.
    * A version that is not served is answered in the layout of version 0 with
      UNSUPPORTED_VERSION and the range of this one API, so that the client can try again.
    * Features and their levels are those of a new cluster of Kafka.

Version notes:
    1 adds throttle_time_ms; 3 is flexible and names the client's software (KIP-511);
    4 allows features with minimum 0 (KIP-1022).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fakebus.broker.features import FEATURES, FEATURES_EPOCH
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.served import SERVED, ServedApi
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
_FIRST_WITH_SOFTWARE = 3
_FIRST_WITH_LEVEL_0 = 4


@handles(ApiKey.API_VERSIONS, needs=())
def handle_api_versions(
    request: ApiVersionsRequest | None, context: RequestContext
) -> ApiVersionsResponse:
    """Tell the client which versions it may use; ``None`` is a version we cannot read."""
    if request is None:
        return _response(ErrorCode.UNSUPPORTED_VERSION, [SERVED[ApiKey.API_VERSIONS]])
    if context.api_version >= _FIRST_WITH_SOFTWARE:
        name, version = request.client_software_name, request.client_software_version
        if not _SOFTWARE.fullmatch(name) or not _SOFTWARE.fullmatch(version):
            return _response(ErrorCode.INVALID_REQUEST, [])
        context.connection.client_software_name = name
        context.connection.client_software_version = version
    _tell(context)
    if context.connection.sasl is not None:
        context.connection.sasl.tell_versions()
    response = _response(ErrorCode.NONE, SERVED.values())
    response.supported_features = [
        SupportedFeatureKey(name=each.name, min_version=each.lowest, max_version=each.highest)
        for each in FEATURES
        if each.lowest > 0 or context.api_version >= _FIRST_WITH_LEVEL_0
    ]
    response.finalized_features_epoch = FEATURES_EPOCH
    response.finalized_features = [
        FinalizedFeatureKey(
            name=each.name, min_version_level=each.level, max_version_level=each.level
        )
        for each in FEATURES
    ]
    return response


def _tell(context: RequestContext) -> None:
    connection = context.connection
    peer = connection.peer
    peer.software = (
        f"{connection.client_software_name} {connection.client_software_version}".strip()
    )
    detail = f"{peer.software or 'software that does not name itself'} from {peer.host}"
    context.broker.activity.note("connects", context.origin, detail=detail)


def _response(error: ErrorCode, served: Iterable[ServedApi]) -> ApiVersionsResponse:
    return ApiVersionsResponse(
        error_code=error.code,
        api_keys=[
            ApiVersion(
                api_key=int(api.api_key),
                min_version=api.advertised_min_version,
                max_version=api.max_version,
            )
            for api in served
        ],
    )
