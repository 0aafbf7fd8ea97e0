"""AlterClientQuotas 0-1 (KIP-546).

Behaviour:
    * Quotas hold at once, outlast a restart, and go back with the bus to a snapshot.
    * Those of each entity are changed together or not at all, independent of other entities.
    * With validate_only everything is checked and nothing is changed.

Version notes:
    1 flexible.
"""

from __future__ import annotations

from fakebus.broker.security.quotas import ClientQuotaAlteration, Entity
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    AlterClientQuotasResponse,
    AlterClientQuotasResponseEntryData,
    EntityData,
)


@handles(ApiKey.ALTER_CLIENT_QUOTAS, needs=("ALTER_CONFIGS CLUSTER",))
async def handle_alter_client_quotas(
    request: AlterClientQuotasRequest, context: RequestContext
) -> AlterClientQuotasResponse:
    """Set quotas and take them away."""
    changes = [_change(entry) for entry in request.entries]
    try:
        results = await context.broker.security.quotas.alter(
            changes, validate_only=request.validate_only
        )
    except StorageError as error:
        failure = BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
        results = {change.entity: failure for change in changes}
    return AlterClientQuotasResponse(
        entries=[_result(entity, refused) for entity, refused in results.items()]
    )


def _change(entry: AlterClientQuotasRequestEntryData) -> ClientQuotaAlteration:
    names = ((each.entity_type, each.entity_name) for each in entry.entity)
    entity = tuple(sorted(names, key=lambda each: (each[0], each[1] or "")))
    return ClientQuotaAlteration(
        entity, [(op.key, None if op.remove else op.value) for op in entry.ops]
    )


def _result(entity: Entity, refused: BrokerError | None) -> AlterClientQuotasResponseEntryData:
    result = AlterClientQuotasResponseEntryData(
        entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity]
    )
    if refused is not None:
        result.error_code, result.error_message = refused.error_code.code, refused.message
    return result
