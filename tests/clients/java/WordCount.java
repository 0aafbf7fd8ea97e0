import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/** Counts words with Kafka Streams: a repartition topic, a changelog, and a store in memory. */
final class WordCount {
  private static final String STORE = "counts";

  private final String bootstrapServers;

  WordCount(String bootstrapServers) {
    this.bootstrapServers = bootstrapServers;
  }

  /** Run the application until it has counted as many words as asked for, in all its runs. */
  JsonNode run(JsonNode arguments) throws Exception {
    AtomicReference<ObjectNode> counts = new AtomicReference<>(Contract.object());
    new StreamsRun(bootstrapServers, arguments)
        .until(
            topology(arguments).build(),
            streams -> {
              counts.set(counted(streams));
              return total(counts.get()) >= arguments.get("count").asLong();
            });
    return counts.get();
  }

  private StreamsBuilder topology(JsonNode arguments) {
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream(arguments.get("topic").asText(), Consumed.with(Serdes.String(), Serdes.String()))
        .flatMapValues(line -> Arrays.asList(line.split(" ")))
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count(
            Materialized.<String, Long>as(Stores.inMemoryKeyValueStore(STORE))
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.Long()))
        .toStream()
        .mapValues(String::valueOf)
        .to(arguments.get("to").asText(), Produced.with(Serdes.String(), Serdes.String()));
    return builder;
  }

  private static ObjectNode counted(KafkaStreams streams) {
    ObjectNode counts = Contract.object();
    try (KeyValueIterator<String, Long> rows =
        streams
            .store(
                StoreQueryParameters.fromNameAndType(
                    STORE, QueryableStoreTypes.<String, Long>keyValueStore()))
            .all()) {
      rows.forEachRemaining(row -> counts.put(row.key, row.value));
    } catch (InvalidStateStoreException | IllegalStateException notYet) {
      return Contract.object();
    }
    return counts;
  }

  private static long total(ObjectNode counts) {
    long sum = 0;
    for (JsonNode count : counts) {
      sum += count.asLong();
    }
    return sum;
  }
}
