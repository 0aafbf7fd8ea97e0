import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;

/** One run of an application of Kafka Streams, with its state in a directory of its own. */
final class StreamsRun {
  private final String bootstrapServers;
  private final JsonNode arguments;

  StreamsRun(String bootstrapServers, JsonNode arguments) {
    this.bootstrapServers = bootstrapServers;
    this.arguments = arguments;
  }

  /** Run until something is so, end without having failed, and return nothing. */
  JsonNode until(Topology topology, Predicate<KafkaStreams> isDone) throws Exception {
    Path directory = Files.createTempDirectory("streams");
    AtomicReference<Throwable> failure = new AtomicReference<>();
    try (KafkaStreams streams = new KafkaStreams(topology, settings(directory))) {
      streams.setUncaughtExceptionHandler(
          error -> {
            failure.set(error);
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
          });
      streams.start();
      long deadline = System.currentTimeMillis() + Contract.TIMEOUT_MS;
      while (!isDone.test(streams)) {
        if (failure.get() != null || System.currentTimeMillis() > deadline) {
          throw new IllegalStateException("it is not done", failure.get());
        }
        Thread.sleep(50);
      }
      if (!streams.close(Duration.ofMillis(Contract.TIMEOUT_MS))) {
        throw new IllegalStateException("Kafka Streams does not end");
      }
      streams.cleanUp();
      return Contract.object();
    } finally {
      Files.deleteIfExists(directory);
    }
  }

  private Properties settings(Path directory) {
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
}
