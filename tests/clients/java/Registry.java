import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeoutException;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.ParsedSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.formats.avro.RegistryAvroDeserializationSchema;
import org.apache.flink.formats.avro.RegistryAvroSerializationSchema;
import org.apache.flink.formats.avro.registry.confluent.ConfluentSchemaRegistryCoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Confluent's Java client of the schema registry, and the Avro serializer and deserializer that
 * Apache Flink makes of it: `java Registry URL HOST:PORT`, commands on standard input.
 *
 * <p>Confluent does not publish its client on Maven Central; Flink's connector carries it.
 */
final class Registry {
  private static final int CACHED_SCHEMAS = 100;
  private static final Duration POLL = Duration.ofMillis(100);

  private final String url;
  private final String bootstrapServers;

  private Registry(String url, String bootstrapServers) {
    this.url = url;
    this.bootstrapServers = bootstrapServers;
  }

  public static void main(String[] arguments) throws Exception {
    Registry registry = new Registry(arguments[0], arguments[1]);
    Map<String, Contract.Command> commands = new HashMap<>();
    commands.put("register", answeringErrors(registry::register));
    commands.put("write", answeringErrors(registry::write));
    commands.put("read", answeringErrors(registry::read));
    Contract.serve(commands);
  }

  private static Contract.Command answeringErrors(Contract.Command command) {
    return arguments -> {
      try {
        return command.run(arguments);
      } catch (Exception error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
          if (cause instanceof RestClientException refused) {
            throw new Contract.RefusedException(refused.getErrorCode(), refused.getMessage());
          }
        }
        throw error;
      }
    };
  }

  /** A client that has cached nothing, as another process would have. */
  private CachedSchemaRegistryClient newClient() {
    return new CachedSchemaRegistryClient(url, CACHED_SCHEMAS);
  }

  private JsonNode register(JsonNode arguments) throws Exception {
    List<SchemaReference> references = new ArrayList<>();
    for (JsonNode reference : arguments.path("references")) {
      references.add(
          new SchemaReference(
              reference.get("name").asText(),
              reference.get("subject").asText(),
              reference.get("version").asInt()));
    }
    try (CachedSchemaRegistryClient client = newClient()) {
      ParsedSchema schema =
          client
              .parseSchema(
                  arguments.get("type").asText(), arguments.get("schema").asText(), references)
              .orElseThrow();
      return Contract.object().put("id", client.register(arguments.get("subject").asText(), schema));
    }
  }

  /** Flink's serializer registers what it writes by. */
  private JsonNode write(JsonNode arguments) throws Exception {
    String topic = arguments.get("topic").asText();
    String subject = topic + "-value";
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrapServers);
    settings.put("delivery.timeout.ms", String.valueOf(Contract.TIMEOUT_MS));
    settings.put("request.timeout.ms", "5000");
    try (CachedSchemaRegistryClient client = newClient();
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      int id = client.getLatestSchemaMetadata(subject).getId();
      Schema schema = (Schema) client.getSchemaById(id).rawSchema();
      RegistryAvroSerializationSchema<GenericRecord> serializer =
          new RegistryAvroSerializationSchema<>(
              GenericRecord.class, schema, () -> new ConfluentSchemaRegistryCoder(subject, client));
      for (JsonNode value : arguments.get("values")) {
        GenericRecord record = (GenericRecord) JsonValues.toAvro(value, schema);
        producer.send(new ProducerRecord<>(topic, serializer.serialize(record))).get();
      }
    }
    return Contract.JSON.getNodeFactory().numberNode(arguments.get("values").size());
  }

  private JsonNode read(JsonNode arguments) throws Exception {
    Schema reader = null;
    if (arguments.hasNonNull("schema")) {
      reader = new Schema.Parser().parse(arguments.get("schema").asText());
    }
    ArrayNode values = Contract.array();
    try (CachedSchemaRegistryClient client = newClient()) {
      for (byte[] framed : get(arguments)) {
        values.add(decode(client, framed, reader));
      }
    }
    return values;
  }

  private JsonNode decode(CachedSchemaRegistryClient client, byte[] framed, Schema reader)
      throws Exception {
    Schema schema = reader;
    if (schema == null) {
      int id = java.nio.ByteBuffer.wrap(framed, 1, 4).getInt();
      schema = (Schema) client.getSchemaById(id).rawSchema();
    }
    RegistryAvroDeserializationSchema<GenericRecord> deserializer =
        new RegistryAvroDeserializationSchema<>(
            GenericRecord.class, schema, () -> new ConfluentSchemaRegistryCoder(client));
    return Contract.JSON.readTree(GenericData.get().toString(deserializer.deserialize(framed)));
  }

  private List<byte[]> get(JsonNode arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrapServers);
    TopicPartition partition = new TopicPartition(arguments.get("topic").asText(), 0);
    int count = arguments.get("count").asInt();
    List<byte[]> values = new ArrayList<>();
    long deadline = System.currentTimeMillis() + Contract.TIMEOUT_MS;
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      while (values.size() < count) {
        if (System.currentTimeMillis() > deadline) {
          throw new TimeoutException("read " + values.size() + " records of " + count);
        }
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
          values.add(record.value());
        }
      }
    }
    return values;
  }
}
