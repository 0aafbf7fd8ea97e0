import com.fasterxml.jackson.databind.JsonNode;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Passes records along with Kafka Streams, through a repartition topic and a store with a
 * changelog. Each record that it writes says which one it was made of.
 */
final class Causes {
  private static final String STORE = "seen";

  private final String bootstrapServers;
  private final AtomicLong passed = new AtomicLong();

  Causes(String bootstrapServers) {
    this.bootstrapServers = bootstrapServers;
  }

  /** Run the application until it has passed along as many records as asked for. */
  JsonNode run(JsonNode arguments) throws Exception {
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.String()));
    builder.stream(
            arguments.get("topic").asText(), Consumed.with(Serdes.String(), Serdes.String()))
        .processValues(() -> new Saying(false))
        .repartition(
            Repartitioned.with(Serdes.String(), Serdes.String())
                .withName("by-key")
                .withNumberOfPartitions(arguments.get("partitions").asInt()))
        .processValues(() -> new Saying(true), STORE)
        .to(arguments.get("to").asText(), Produced.with(Serdes.String(), Serdes.String()));
    return new StreamsRun(bootstrapServers, arguments)
        .until(builder.build(), streams -> passed.get() >= arguments.get("count").asLong());
  }

  /** Writes the place of each record instead of its value. */
  private final class Saying extends ContextualFixedKeyProcessor<String, String, String> {
    private final boolean isLast;

    Saying(boolean isLast) {
      this.isLast = isLast;
    }

    @Override
    public void process(FixedKeyRecord<String, String> record) {
      RecordMetadata at = context().recordMetadata().orElseThrow();
      String place = at.topic() + "[" + at.partition() + "]@" + at.offset();
      String said = Contract.object().put("cause", place).toString();
      if (isLast) {
        KeyValueStore<String, String> store = context().getStateStore(STORE);
        store.put(record.key(), said);
        passed.incrementAndGet();
      }
      context().forward(record.withValue(said));
    }
  }
}
