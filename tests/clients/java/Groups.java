import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** Admin commands on consumer groups and their committed offsets. */
final class Groups {
  private final Admin admin;

  Groups(Admin admin) {
    this.admin = admin;
  }

  @SuppressWarnings("removal") // Both ways to list are to be heard by the broker.
  JsonNode list(JsonNode arguments) throws Exception {
    Set<String> consumerGroups = new HashSet<>();
    admin.listConsumerGroups().all().get().forEach(found -> consumerGroups.add(found.groupId()));
    ArrayNode groups = Contract.array();
    for (GroupListing found : admin.listGroups().all().get()) {
      if (found.protocol().equals("consumer") && !consumerGroups.contains(found.groupId())) {
        throw new IllegalStateException("listConsumerGroups misses " + found.groupId());
      }
      groups
          .addObject()
          .put("group", found.groupId())
          .put("state", found.groupState().map(Object::toString).orElse(null))
          .put("type", found.type().map(Object::toString).orElse(null));
    }
    return groups;
  }

  JsonNode describe(JsonNode arguments) throws Exception {
    String group = arguments.get("group").asText();
    ConsumerGroupDescription found =
        admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
    ObjectNode result =
        Contract.object()
            .put("state", found.groupState().toString())
            .put("assignor", found.partitionAssignor());
    ArrayNode members = result.putArray("members");
    for (MemberDescription member : found.members()) {
      ObjectNode described = members.addObject().put("client_id", member.clientId());
      ArrayNode partitions = described.putArray("partitions");
      member.assignment().topicPartitions().stream()
          .map(TopicPartition::partition)
          .sorted()
          .forEach(partitions::add);
    }
    return result;
  }

  JsonNode committed(JsonNode arguments) throws Exception {
    String group = arguments.get("group").asText();
    Map<TopicPartition, OffsetAndMetadata> found =
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    ArrayNode offsets = Contract.array();
    found.forEach(
        (partition, committed) -> {
          if (partition.topic().equals(arguments.get("topic").asText()) && committed != null) {
            offsets
                .addObject()
                .put("partition", partition.partition())
                .put("offset", committed.offset())
                .put("metadata", committed.metadata());
          }
        });
    return offsets;
  }

  JsonNode alterOffsets(JsonNode arguments) throws Exception {
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    for (JsonNode row : arguments.get("offsets")) {
      offsets.put(
          new TopicPartition(arguments.get("topic").asText(), row.get("partition").asInt()),
          new OffsetAndMetadata(row.get("offset").asLong(), row.get("metadata").asText()));
    }
    admin.alterConsumerGroupOffsets(arguments.get("group").asText(), offsets).all().get();
    return Contract.array();
  }

  JsonNode deleteOffsets(JsonNode arguments) throws Exception {
    String group = arguments.get("group").asText();
    Set<TopicPartition> partitions = new HashSet<>(Records.partitions(arguments));
    admin.deleteConsumerGroupOffsets(group, partitions).all().get();
    return Contract.array();
  }

  JsonNode delete(JsonNode arguments) throws Exception {
    admin.deleteConsumerGroups(List.of(arguments.get("group").asText())).all().get();
    return Contract.array();
  }
}
