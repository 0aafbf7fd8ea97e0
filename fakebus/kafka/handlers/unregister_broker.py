"""UnregisterBroker 0 (KIP-631).

Behaviour:
    * A broker that has stopped is forgotten until it is started again.
    * One that runs is refused: on Kafka the cluster forgets it, and it serves nobody any more.

Version notes:
    0 the only one.
"""

from __future__ import annotations

from fakebus.errors import BrokerError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import UnregisterBrokerRequest, UnregisterBrokerResponse


@handles(ApiKey.UNREGISTER_BROKER, needs=("ALTER CLUSTER",))
def handle_unregister_broker(
    request: UnregisterBrokerRequest, context: RequestContext
) -> UnregisterBrokerResponse:
    """Forget a broker."""
    try:
        context.broker.nodes.unregister(request.broker_id)
    except BrokerError as error:
        return UnregisterBrokerResponse(
            error_code=error.error_code.code, error_message=error.message
        )
    return UnregisterBrokerResponse(error_message="")
