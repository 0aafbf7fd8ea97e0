"""Refusals of the broker as a REST Proxy tells them."""

from __future__ import annotations

from fakebus.errors import BrokerError, ErrorCode, FakebusError
from fakebus.web.errors import RequestError

_STATUS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: (404, 40403),
    ErrorCode.UNKNOWN_TOPIC_ID: (404, 40403),
    ErrorCode.GROUP_ID_NOT_FOUND: (404, 40403),
    ErrorCode.NON_EMPTY_GROUP: (409, 40903),
    ErrorCode.MESSAGE_TOO_LARGE: (413, 413),
    ErrorCode.RECORD_LIST_TOO_LARGE: (413, 413),
    ErrorCode.THROTTLING_QUOTA_EXCEEDED: (429, 42901),
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: (403, 40301),
    ErrorCode.GROUP_AUTHORIZATION_FAILED: (403, 40301),
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED: (403, 40301),
}
"""Where an error of Kafka is no client's 400: status and code."""


def refusal(error: FakebusError) -> RequestError:
    """Return what a client is answered whom the broker refuses something."""
    code = error.error_code if isinstance(error, BrokerError) else None
    if code is None:
        return RequestError(400, str(error), error_code=40002)
    status, number = _STATUS.get(code, (400, 40002))
    if code.retriable and status == 400:
        status, number = 503, 50003
    return RequestError(status, str(error), error_code=number)
