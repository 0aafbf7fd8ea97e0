import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Admin commands on topics, their configs and their records. */
final class Topics {
  private final Admin admin;

  Topics(Admin admin) {
    this.admin = admin;
  }

  JsonNode create(JsonNode arguments) throws Exception {
    String topic = arguments.get("topic").asText();
    Map<String, String> configs = new HashMap<>();
    for (Map.Entry<String, JsonNode> config : Contract.fields(arguments.path("configs"))) {
      configs.put(config.getKey(), config.getValue().asText());
    }
    NewTopic asked =
        new NewTopic(topic, Optional.of(arguments.get("partitions").asInt()), Optional.empty());
    CreateTopicsResult created = admin.createTopics(List.of(asked.configs(configs)));
    created.all().get();
    ObjectNode result =
        Contract.object()
            .put("topic_id", created.topicId(topic).get().toString())
            .put("partitions", created.numPartitions(topic).get());
    result.set("configs", describe(created.config(topic).get()));
    return result;
  }

  JsonNode describe(JsonNode arguments) throws Exception {
    String topic = arguments.get("topic").asText();
    TopicDescription found = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    return Contract.object()
        .put("topic_id", found.topicId().toString())
        .put("partitions", found.partitions().size());
  }

  JsonNode list(JsonNode arguments) throws Exception {
    ArrayNode names = Contract.array();
    admin.listTopics().names().get().stream().sorted().forEach(names::add);
    return names;
  }

  JsonNode delete(JsonNode arguments) throws Exception {
    admin.deleteTopics(List.of(arguments.get("topic").asText())).all().get();
    return Contract.array();
  }

  JsonNode createPartitions(JsonNode arguments) throws Exception {
    NewPartitions count = NewPartitions.increaseTo(arguments.get("count").asInt());
    admin.createPartitions(Map.of(arguments.get("topic").asText(), count)).all().get();
    return Contract.array();
  }

  JsonNode describeConfigs(JsonNode arguments) throws Exception {
    ConfigResource resource = resource(arguments);
    return describe(admin.describeConfigs(List.of(resource)).all().get().get(resource));
  }

  JsonNode alterConfigs(JsonNode arguments) throws Exception {
    List<AlterConfigOp> changes = new ArrayList<>();
    for (Map.Entry<String, JsonNode> config : Contract.fields(arguments.path("set"))) {
      ConfigEntry entry = new ConfigEntry(config.getKey(), config.getValue().asText());
      changes.add(new AlterConfigOp(entry, AlterConfigOp.OpType.SET));
    }
    for (JsonNode name : arguments.path("delete")) {
      ConfigEntry entry = new ConfigEntry(name.asText(), "");
      changes.add(new AlterConfigOp(entry, AlterConfigOp.OpType.DELETE));
    }
    admin.incrementalAlterConfigs(Map.of(resource(arguments), changes)).all().get();
    return Contract.array();
  }

  private static ConfigResource resource(JsonNode arguments) {
    return arguments.has("broker")
        ? new ConfigResource(ConfigResource.Type.BROKER, arguments.get("broker").asText())
        : new ConfigResource(ConfigResource.Type.TOPIC, arguments.get("topic").asText());
  }

  private static ObjectNode describe(Config config) {
    ObjectNode described = Contract.object();
    for (ConfigEntry entry : config.entries()) {
      described
          .putObject(entry.name())
          .put("value", entry.value())
          .put("default", entry.isDefault())
          .put("read_only", entry.isReadOnly())
          .put("sensitive", entry.isSensitive());
    }
    return described;
  }

  JsonNode describeCluster(JsonNode arguments) throws Exception {
    DescribeClusterResult cluster = admin.describeCluster();
    ObjectNode result =
        Contract.object()
            .put("cluster_id", cluster.clusterId().get())
            .put("controller", cluster.controller().get().id());
    ArrayNode brokers = result.putArray("brokers");
    for (Node node : cluster.nodes().get()) {
      brokers.addObject().put("id", node.id()).put("address", node.host() + ":" + node.port());
    }
    return result;
  }

  JsonNode offsets(JsonNode arguments) throws Exception {
    OffsetSpec at =
        switch (arguments.get("at").asText()) {
          case "earliest" -> OffsetSpec.earliest();
          case "latest" -> OffsetSpec.latest();
          case "max_timestamp" -> OffsetSpec.maxTimestamp();
          default -> OffsetSpec.forTimestamp(arguments.get("at").asLong());
        };
    Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
    Records.partitions(arguments).forEach(partition -> asked.put(partition, at));
    Map<TopicPartition, ListOffsetsResultInfo> found = admin.listOffsets(asked).all().get();
    ArrayNode offsets = Contract.array();
    for (TopicPartition partition : Records.partitions(arguments)) {
      offsets
          .addObject()
          .put("partition", partition.partition())
          .put("offset", found.get(partition).offset())
          .put("timestamp", found.get(partition).timestamp());
    }
    return offsets;
  }

  JsonNode deleteRecords(JsonNode arguments) throws Exception {
    TopicPartition partition =
        new TopicPartition(arguments.get("topic").asText(), arguments.get("partition").asInt());
    RecordsToDelete before = RecordsToDelete.beforeOffset(arguments.get("before").asLong());
    long lowWatermark =
        admin
            .deleteRecords(Map.of(partition, before))
            .lowWatermarks()
            .get(partition)
            .get()
            .lowWatermark();
    return Contract.object().put("low_watermark", lowWatermark);
  }
}
