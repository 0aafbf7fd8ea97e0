"""Every Kafka API that is served: one file, one line here."""

from fakebus.kafka.handlers.api_versions import handle_api_versions
from fakebus.kafka.handlers.fetch import handle_fetch
from fakebus.kafka.handlers.init_producer_id import handle_init_producer_id
from fakebus.kafka.handlers.list_offsets import handle_list_offsets
from fakebus.kafka.handlers.metadata import handle_metadata
from fakebus.kafka.handlers.offset_for_leader_epoch import handle_offset_for_leader_epoch
from fakebus.kafka.handlers.produce import handle_produce
from fakebus.kafka.handlers.sasl_authenticate import handle_sasl_authenticate
from fakebus.kafka.handlers.sasl_handshake import handle_sasl_handshake

HANDLERS = (
    handle_api_versions,
    handle_fetch,
    handle_init_producer_id,
    handle_list_offsets,
    handle_metadata,
    handle_offset_for_leader_epoch,
    handle_produce,
    handle_sasl_authenticate,
    handle_sasl_handshake,
)
