import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
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
    Path directory = Files.createTempDirectory("word-count");
    AtomicReference<Throwable> failure = new AtomicReference<>();
    try (KafkaStreams streams =
        new KafkaStreams(topology(arguments).build(), settings(arguments, directory))) {
      streams.setUncaughtExceptionHandler(
          error -> {
            failure.set(error);
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
          });
      streams.start();
      long deadline = System.currentTimeMillis() + Contract.TIMEOUT_MS;
      ObjectNode counts = counted(streams);
      while (total(counts) < arguments.get("count").asLong()) {
        if (failure.get() != null || System.currentTimeMillis() > deadline) {
          throw new IllegalStateException("counted " + counts, failure.get());
        }
        Thread.sleep(50);
        counts = counted(streams);
      }
      if (!streams.close(Duration.ofMillis(Contract.TIMEOUT_MS))) {
        throw new IllegalStateException("Kafka Streams does not end");
      }
      streams.cleanUp();
      return counts;
    } finally {
      Files.deleteIfExists(directory);
    }
  }

  private Properties settings(JsonNode arguments, Path directory) {
    Properties settings = new Properties();
    settings.put("application.id", arguments.get("group").asText());
    settings.put("bootstrap.servers", bootstrapServers);
    settings.put("state.dir", directory.toString());
    settings.put("num.stream.threads", "2");
    settings.put("processing.guarantee", arguments.get("guarantee").asText());
    settings.put("commit.interval.ms", "100");
    if (arguments.has("transaction_timeout_ms")) {
      // What a killed run has left open holds up the next one for as long.
      settings.put("producer.transaction.timeout.ms", arguments.get("transaction_timeout_ms").asText());
    }
    settings.put("statestore.cache.max.bytes", "0");
    settings.put("consumer.auto.offset.reset", "earliest");
    // Kafka Streams ends without leaving its group, so the next run waits until this is over.
    if (arguments.path("protocol").asText("classic").equals("streams")) {
      settings.put("group.protocol", "streams");
    } else {
      settings.put("consumer.session.timeout.ms", "1500");
      settings.put("consumer.heartbeat.interval.ms", "300");
    }
    return settings;
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
