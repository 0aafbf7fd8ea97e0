import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Producer and consumer commands. */
final class Records {
  private static final Duration POLL = Duration.ofMillis(100);

  private final String bootstrapServers;

  Records(String bootstrapServers) {
    this.bootstrapServers = bootstrapServers;
  }

  JsonNode produce(JsonNode arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrapServers);
    settings.put("compression.type", arguments.get("codec").asText());
    settings.put("linger.ms", "20");
    settings.put("delivery.timeout.ms", String.valueOf(Contract.TIMEOUT_MS));
    settings.put("request.timeout.ms", "5000");
    settings.put("max.request.size", String.valueOf(16 << 20));
    ArrayNode results = Contract.array();
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (JsonNode record : arguments.get("records")) {
        sent.add(producer.send(producerRecord(arguments.get("topic").asText(), record)));
      }
      producer.flush();
      for (Future<RecordMetadata> future : sent) {
        RecordMetadata metadata = future.get();
        results.addObject().put("partition", metadata.partition()).put("offset", metadata.offset());
      }
    }
    return results;
  }

  private static ProducerRecord<byte[], byte[]> producerRecord(String topic, JsonNode record) {
    ProducerRecord<byte[], byte[]> made =
        new ProducerRecord<>(
            topic,
            record.hasNonNull("partition") ? record.get("partition").asInt() : null,
            record.hasNonNull("timestamp") ? record.get("timestamp").asLong() : null,
            Contract.bytesOrNull(record.get("key")),
            Contract.bytesOrNull(record.get("value")));
    for (JsonNode header : record.path("headers")) {
      made.headers().add(header.get(0).asText(), Contract.bytesOrNull(header.get(1)));
    }
    return made;
  }

  private KafkaConsumer<byte[], byte[]> consumer(JsonNode arguments) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrapServers);
    settings.put("enable.auto.commit", "false");
    settings.put("auto.offset.reset", "earliest");
    boolean classic = arguments.path("protocol").asText("classic").equals("classic");
    settings.put("group.protocol", classic ? "classic" : "consumer");
    settings.put("default.api.timeout.ms", String.valueOf(Contract.TIMEOUT_MS));
    settings.put("request.timeout.ms", "10000");
    settings.put("max.poll.records", "5");
    if (arguments.has("group")) {
      settings.put("group.id", arguments.get("group").asText());
    }
    if (arguments.has("group") && classic) {
      int timeout = arguments.path("session_timeout_ms").asInt(6000);
      settings.put("session.timeout.ms", String.valueOf(timeout));
      settings.put("heartbeat.interval.ms", String.valueOf(timeout / 4));
    }
    if (arguments.has("client_id")) {
      settings.put("client.id", arguments.get("client_id").asText());
    }
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  JsonNode consume(JsonNode arguments) throws Exception {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(arguments)) {
      consumer.subscribe(List.of(arguments.get("topic").asText()));
      ArrayNode read = Contract.array();
      Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
      String metadata = arguments.path("metadata").asText("");
      int count = arguments.get("count").asInt();
      long deadline = System.currentTimeMillis() + Contract.TIMEOUT_MS;
      while (read.size() < count) {
        if (System.currentTimeMillis() > deadline) {
          throw new TimeoutException("read " + read.size() + " records of " + count);
        }
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
          if (read.size() < count) {
            read.add(describe(record));
            positions.put(
                new TopicPartition(record.topic(), record.partition()),
                new OffsetAndMetadata(record.offset() + 1, metadata));
          }
        }
      }
      consumer.commitSync(positions);
      return read;
    }
  }

  JsonNode member(JsonNode arguments) throws Exception {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(arguments)) {
      consumer.subscribe(List.of(arguments.get("topic").asText()), new Announcer(consumer));
      while (!Contract.toldToStop()) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
          // Said before it is committed, so that a kill between the two loses nothing.
          Contract.say(Contract.object().put("event", "record").set("record", describe(record)));
          consumer.commitSync(
              Map.of(
                  new TopicPartition(record.topic(), record.partition()),
                  new OffsetAndMetadata(record.offset() + 1)));
        }
      }
    }
    return Contract.array();
  }

  private record Announcer(KafkaConsumer<byte[], byte[]> consumer)
      implements ConsumerRebalanceListener {
    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> added) {
      ObjectNode event = Contract.object().put("event", "assigned");
      ArrayNode partitions = event.putArray("partitions");
      consumer.assignment().stream().map(TopicPartition::partition).sorted().forEach(partitions::add);
      Contract.say(event);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> removed) {}
  }

  JsonNode read(JsonNode arguments) throws Exception {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(arguments)) {
      List<TopicPartition> partitions = partitions(arguments);
      consumer.assign(partitions);
      JsonNode start = arguments.get("start");
      if (start.isTextual()) {
        consumer.seekToBeginning(partitions);
      } else if (start.has("offset")) {
        partitions.forEach(partition -> consumer.seek(partition, start.get("offset").asLong()));
      } else {
        seekToTime(consumer, partitions, start.get("timestamp").asLong());
      }
      ArrayNode read = Contract.array();
      int count = arguments.get("count").asInt();
      long deadline = System.currentTimeMillis() + Contract.TIMEOUT_MS;
      while (read.size() < count) {
        if (System.currentTimeMillis() > deadline) {
          throw new TimeoutException("read " + read.size() + " records of " + count);
        }
        consumer.poll(POLL).forEach(record -> read.add(describe(record)));
      }
      return read;
    }
  }

  private static void seekToTime(
      KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions, long timestamp) {
    Map<TopicPartition, Long> asked = new HashMap<>();
    partitions.forEach(partition -> asked.put(partition, timestamp));
    Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(asked);
    for (TopicPartition partition : partitions) {
      if (found.get(partition) == null) {
        consumer.seekToEnd(Set.of(partition));
      } else {
        consumer.seek(partition, found.get(partition).offset());
      }
    }
  }

  static List<TopicPartition> partitions(JsonNode arguments) {
    List<TopicPartition> partitions = new ArrayList<>();
    for (JsonNode partition : arguments.get("partitions")) {
      partitions.add(new TopicPartition(arguments.get("topic").asText(), partition.asInt()));
    }
    return partitions;
  }

  private static ObjectNode describe(ConsumerRecord<byte[], byte[]> record) {
    ObjectNode described =
        Contract.object()
            .put("partition", record.partition())
            .put("offset", record.offset())
            .put("timestamp", record.timestamp())
            .put("key", Contract.text(record.key()))
            .put("value", Contract.text(record.value()));
    ArrayNode headers = described.putArray("headers");
    for (Header header : record.headers()) {
      headers.addArray().add(header.key()).add(Contract.text(header.value()));
    }
    return described;
  }
}
