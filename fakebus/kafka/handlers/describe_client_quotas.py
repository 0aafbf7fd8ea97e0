"""DescribeClientQuotas 0-1 (KIP-546).

Behaviour:
    * A filter names types of entities: with an exact name, the default one, or any name.
    * A strict filter matches entities with just these types, another one also those with more.

Version notes:
    1 flexible.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.security.quotas import CLIENT_ID, IP, USER, EntityFilter
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ComponentData,
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    DescribeClientQuotasResponseEntryData,
    EntityData,
    ValueData,
)

_EXACT, _DEFAULT, _ANY_NAME = range(3)


@handles(ApiKey.DESCRIBE_CLIENT_QUOTAS, needs=("DESCRIBE_CONFIGS CLUSTER",))
def handle_describe_client_quotas(
    request: DescribeClientQuotasRequest, context: RequestContext
) -> DescribeClientQuotasResponse:
    """Return the quotas that a filter matches."""
    try:
        wanted = _filter(request.components, request.strict)
    except BrokerError as error:
        return DescribeClientQuotasResponse(
            error_code=error.error_code.code, error_message=error.message, entries=None
        )
    return DescribeClientQuotasResponse(
        error_message="",
        entries=[
            DescribeClientQuotasResponseEntryData(
                entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                values=[ValueData(key=key, value=value) for key, value in quotas.items()],
            )
            for entity, quotas in context.broker.security.quotas.find(wanted).items()
        ],
    )


def _filter(components: Iterable[ComponentData], strict: bool) -> EntityFilter:
    wanted = EntityFilter({}, set(), strict)
    for component in components:
        kind = component.entity_type
        if kind not in (USER, CLIENT_ID, IP):
            # Kafka tells an empty one apart from one that it does not know.
            code = ErrorCode.UNSUPPORTED_VERSION if kind else ErrorCode.INVALID_REQUEST
            raise BrokerError(code, f"there is no entity type {kind!r}")
        if kind in wanted.exact or kind in wanted.any_name:
            raise BrokerError(ErrorCode.INVALID_REQUEST, f"the filter names {kind} twice")
        if component.match_type not in (_EXACT, _DEFAULT, _ANY_NAME):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST, f"there is no match type {component.match_type}"
            )
        if (component.match_type == _EXACT) is (component.match is None):
            raise BrokerError(
                ErrorCode.INVALID_REQUEST,
                "an exact match needs a text, and no other kind of match has one",
            )
        if component.match_type == _ANY_NAME:
            wanted.any_name.add(kind)
        else:
            wanted.exact[kind] = component.match
    if IP in (kinds := {*wanted.exact, *wanted.any_name}) and len(kinds) > 1:
        raise BrokerError(
            ErrorCode.INVALID_REQUEST, "a filter of ip cannot be one of users or client ids too"
        )
    return wanted
