import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A transaction for each record, with an offset; those of records that say so are aborted. */
final class Transactions {
  private final String bootstrapServers;

  Transactions(String bootstrapServers) {
    this.bootstrapServers = bootstrapServers;
  }

  JsonNode run(JsonNode arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrapServers);
    settings.put("transactional.id", arguments.get("group").asText());
    settings.put("max.block.ms", String.valueOf(Contract.TIMEOUT_MS));
    String topic = arguments.get("topic").asText();
    ConsumerGroupMetadata group = new ConsumerGroupMetadata(arguments.get("group").asText());
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      producer.initTransactions();
      long offset = 0;
      for (JsonNode record : arguments.get("records")) {
        producer.beginTransaction();
        byte[] value = Contract.bytesOrNull(record.get("value"));
        producer.send(new ProducerRecord<>(topic, 0, null, value)).get();
        producer.sendOffsetsToTransaction(
            Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(++offset)), group);
        if (record.get("value").asText().startsWith("aborted")) {
          producer.abortTransaction();
        } else {
          producer.commitTransaction();
        }
      }
    }
    return Contract.object();
  }
}
