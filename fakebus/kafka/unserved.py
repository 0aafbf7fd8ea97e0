"""APIs that Kafka answers and fakebus does not serve.

They are not advertised. A client that sends such a request without having asked for versions is
answered UNSUPPORTED_VERSION for all that it asks, where the API's response has a place for that:
closing the connection would also take its other requests, and Kafka would not close it.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from fakebus.errors import ErrorCode
from fakebus.kafka.api import CloseConnection, Handler, RequestContext
from fakebus.kafka.error_responses import error_response
from fakebus.limited_log import LimitedLog
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.codec import api_name, valid_versions

_log = LimitedLog(logging.getLogger("fakebus.kafka"))

_MOST_BYTES = 64 * 1024
"""A longer request is not worth the time that it takes to say no to all that it names."""


@cache
def unserved(api_key: int) -> Handler | None:
    """Return what answers an API that has no handler; ``None`` when there is no such API."""
    versions = valid_versions(api_key)
    if versions.min > versions.max:
        return None
    return Handler(ApiKey(api_key), versions.min, versions.max, _refuse, versions.min)


def _refuse(request: Any, context: RequestContext) -> Any:
    name = api_name(context.api_key)
    client = context.client_id or context.connection.client_host
    _log.warning("%s of %s: this API is not served, see docs/skipped.md", name, client)
    if context.frame_bytes > _MOST_BYTES:
        raise CloseConnection(f"{name} is not served, and its request is too long to be answered")
    try:
        return error_response(
            context.api_key, context.api_version, request, ErrorCode.UNSUPPORTED_VERSION
        )
    except LookupError as error:
        raise CloseConnection(str(error)) from None
