"""Refusals of the broker as kafka-rest tells them."""

from __future__ import annotations

import pytest

from fakebus.errors import BrokerError, ErrorCode
from fakebus.web.rest.errors import refusal


@pytest.mark.parametrize(
    ("code", "status", "error_code"),
    [
        (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 404, 40403),
        (ErrorCode.TOPIC_ALREADY_EXISTS, 400, 40002),
        (ErrorCode.INVALID_TOPIC_EXCEPTION, 400, 40002),
        (ErrorCode.POLICY_VIOLATION, 400, 40002),
        (ErrorCode.MESSAGE_TOO_LARGE, 413, 413),
        (ErrorCode.THROTTLING_QUOTA_EXCEEDED, 429, 42901),
        (ErrorCode.TOPIC_AUTHORIZATION_FAILED, 403, 40301),
        (ErrorCode.REQUEST_TIMED_OUT, 503, 50003),
    ],
)
def test_errors_of_kafka_have_the_codes_of_kafka_rest(
    code: ErrorCode, status: int, error_code: int
) -> None:
    told = refusal(BrokerError(code))
    assert (told.status, told.error_code) == (status, error_code)
