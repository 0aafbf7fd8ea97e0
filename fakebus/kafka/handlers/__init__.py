"""Every Kafka API that is served: one file, one line here."""

from fakebus.kafka.handlers.alter_configs import handle_alter_configs
from fakebus.kafka.handlers.alter_partition_reassignments import (
    handle_alter_partition_reassignments,
)
from fakebus.kafka.handlers.alter_replica_log_dirs import handle_alter_replica_log_dirs
from fakebus.kafka.handlers.api_versions import handle_api_versions
from fakebus.kafka.handlers.create_acls import handle_create_acls
from fakebus.kafka.handlers.create_partitions import handle_create_partitions
from fakebus.kafka.handlers.create_topics import handle_create_topics
from fakebus.kafka.handlers.delete_acls import handle_delete_acls
from fakebus.kafka.handlers.delete_groups import handle_delete_groups
from fakebus.kafka.handlers.delete_records import handle_delete_records
from fakebus.kafka.handlers.delete_topics import handle_delete_topics
from fakebus.kafka.handlers.describe_acls import handle_describe_acls
from fakebus.kafka.handlers.describe_client_quotas import handle_describe_client_quotas
from fakebus.kafka.handlers.describe_cluster import handle_describe_cluster
from fakebus.kafka.handlers.describe_configs import handle_describe_configs
from fakebus.kafka.handlers.describe_groups import handle_describe_groups
from fakebus.kafka.handlers.describe_log_dirs import handle_describe_log_dirs
from fakebus.kafka.handlers.describe_producers import handle_describe_producers
from fakebus.kafka.handlers.describe_quorum import handle_describe_quorum
from fakebus.kafka.handlers.describe_topic_partitions import handle_describe_topic_partitions
from fakebus.kafka.handlers.describe_transactions import handle_describe_transactions
from fakebus.kafka.handlers.describe_user_scram_credentials import (
    handle_describe_user_scram_credentials,
)
from fakebus.kafka.handlers.elect_leaders import handle_elect_leaders
from fakebus.kafka.handlers.fetch import handle_fetch
from fakebus.kafka.handlers.find_coordinator import handle_find_coordinator
from fakebus.kafka.handlers.heartbeat import handle_heartbeat
from fakebus.kafka.handlers.incremental_alter_configs import handle_incremental_alter_configs
from fakebus.kafka.handlers.init_producer_id import handle_init_producer_id
from fakebus.kafka.handlers.join_group import handle_join_group
from fakebus.kafka.handlers.leave_group import handle_leave_group
from fakebus.kafka.handlers.list_config_resources import handle_list_config_resources
from fakebus.kafka.handlers.list_groups import handle_list_groups
from fakebus.kafka.handlers.list_offsets import handle_list_offsets
from fakebus.kafka.handlers.list_partition_reassignments import handle_list_partition_reassignments
from fakebus.kafka.handlers.list_transactions import handle_list_transactions
from fakebus.kafka.handlers.metadata import handle_metadata
from fakebus.kafka.handlers.offset_commit import handle_offset_commit
from fakebus.kafka.handlers.offset_delete import handle_offset_delete
from fakebus.kafka.handlers.offset_fetch import handle_offset_fetch
from fakebus.kafka.handlers.offset_for_leader_epoch import handle_offset_for_leader_epoch
from fakebus.kafka.handlers.produce import handle_produce
from fakebus.kafka.handlers.sasl_authenticate import handle_sasl_authenticate
from fakebus.kafka.handlers.sasl_handshake import handle_sasl_handshake
from fakebus.kafka.handlers.sync_group import handle_sync_group
from fakebus.kafka.handlers.update_features import handle_update_features

HANDLERS = (
    handle_alter_configs,
    handle_alter_partition_reassignments,
    handle_alter_replica_log_dirs,
    handle_api_versions,
    handle_create_acls,
    handle_create_partitions,
    handle_create_topics,
    handle_delete_acls,
    handle_delete_groups,
    handle_delete_records,
    handle_delete_topics,
    handle_describe_acls,
    handle_describe_client_quotas,
    handle_describe_cluster,
    handle_describe_configs,
    handle_describe_groups,
    handle_describe_log_dirs,
    handle_describe_producers,
    handle_describe_quorum,
    handle_describe_topic_partitions,
    handle_describe_transactions,
    handle_describe_user_scram_credentials,
    handle_elect_leaders,
    handle_fetch,
    handle_find_coordinator,
    handle_heartbeat,
    handle_incremental_alter_configs,
    handle_init_producer_id,
    handle_join_group,
    handle_leave_group,
    handle_list_config_resources,
    handle_list_groups,
    handle_list_offsets,
    handle_list_partition_reassignments,
    handle_list_transactions,
    handle_metadata,
    handle_offset_commit,
    handle_offset_delete,
    handle_offset_fetch,
    handle_offset_for_leader_epoch,
    handle_produce,
    handle_sasl_authenticate,
    handle_sasl_handshake,
    handle_sync_group,
    handle_update_features,
)
