import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Share consumers (KIP-932), and admin commands on their groups. */
final class Shares {
  private final String bootstrapServers;
  private final Admin admin;

  Shares(String bootstrapServers, Admin admin) {
    this.bootstrapServers = bootstrapServers;
    this.admin = admin;
  }

  /** Reads until there are so many records or the time is over; record n gets the nth word. A renewed one comes again. */
  JsonNode consume(JsonNode arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrapServers);
    settings.put("group.id", arguments.get("group").asText());
    settings.put("share.acknowledgement.mode", "explicit");
    settings.put("client.id", arguments.path("client_id").asText("share"));
    if (arguments.has("mode")) {
      settings.put("share.acquire.mode", arguments.get("mode").asText());
    }
    settings.put("max.poll.records", arguments.path("at_once").asText("500"));
    ArrayNode read = Contract.array();
    JsonNode words = arguments.get("acknowledge");
    try (KafkaShareConsumer<byte[], byte[]> consumer =
        new KafkaShareConsumer<>(
            settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<String> failures = new ArrayList<>();
      consumer.setAcknowledgementCommitCallback(
          (offsets, failure) -> {
            if (failure != null) {
              failures.add(failure.toString());
            }
          });
      consumer.subscribe(List.of(arguments.get("topic").asText()));
      long deadline = System.currentTimeMillis() + arguments.path("wait_ms").asLong(15_000);
      while (read.size() < arguments.get("count").asInt()
          && System.currentTimeMillis() < deadline) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          String word = words.get(read.size() % words.size()).asText();
          consumer.acknowledge(record, AcknowledgeType.valueOf(word));
          read.addObject()
              .put("partition", record.partition())
              .put("offset", record.offset())
              .put("value", Contract.text(record.value()))
              .put("deliveries", record.deliveryCount().map(Short::intValue).orElse(null));
        }
        consumer.commitSync();
      }
      if (!failures.isEmpty()) {
        throw new IllegalStateException(failures.toString());
      }
    }
    return read;
  }

  JsonNode configure(JsonNode arguments) throws Exception {
    List<AlterConfigOp> wanted = new ArrayList<>();
    for (Map.Entry<String, JsonNode> each : Contract.fields(arguments.get("set"))) {
      ConfigEntry entry = new ConfigEntry(each.getKey(), each.getValue().asText());
      wanted.add(new AlterConfigOp(entry, AlterConfigOp.OpType.SET));
    }
    String group = arguments.get("group").asText();
    ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
    admin.incrementalAlterConfigs(Map.of(resource, wanted)).all().get();
    return Contract.object();
  }

  JsonNode describe(JsonNode arguments) throws Exception {
    String group = arguments.get("group").asText();
    ShareGroupDescription found =
        admin.describeShareGroups(List.of(group)).describedGroups().get(group).get();
    ObjectNode result = Contract.object().put("state", found.groupState().toString());
    return result.put("members", found.members().size());
  }

  JsonNode offsets(JsonNode arguments) throws Exception {
    String group = arguments.get("group").asText();
    Map<String, ListShareGroupOffsetsSpec> asked = Map.of(group, new ListShareGroupOffsetsSpec());
    ArrayNode rows = Contract.array();
    Map<TopicPartition, SharePartitionOffsetInfo> found =
        admin.listShareGroupOffsets(asked).partitionsToOffsetInfo(group).get();
    found.forEach(
        (partition, info) -> {
          if (info != null) {
            ObjectNode row = rows.addObject().put("partition", partition.partition());
            row.put("offset", info.startOffset()).put("lag", info.lag().orElse(null));
          }
        });
    return rows;
  }

  JsonNode alterOffsets(JsonNode arguments) throws Exception {
    Map<TopicPartition, Long> offsets = new HashMap<>();
    String topic = arguments.get("topic").asText();
    for (JsonNode row : arguments.get("offsets")) {
      int partition = row.get("partition").asInt();
      offsets.put(new TopicPartition(topic, partition), row.get("offset").asLong());
    }
    admin.alterShareGroupOffsets(arguments.get("group").asText(), offsets).all().get();
    return Contract.object();
  }

  JsonNode deleteOffsets(JsonNode arguments) throws Exception {
    Set<String> topics = Set.of(arguments.get("topic").asText());
    admin.deleteShareGroupOffsets(arguments.get("group").asText(), topics).all().get();
    return Contract.object();
  }

  JsonNode delete(JsonNode arguments) throws Exception {
    admin.deleteShareGroups(List.of(arguments.get("group").asText())).all().get();
    return Contract.object();
  }
}
