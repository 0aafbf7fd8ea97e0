package orders;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Profile;
import org.springframework.kafka.annotation.BackOff;
import org.springframework.kafka.annotation.DltHandler;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.RetryableTopic;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.retrytopic.TopicSuffixingStrategy;
import org.springframework.stereotype.Component;

/**
 * Spring Boot application that answers orders: value and topic of each that it has dealt with.
 *
 * <p>Orders that begin with "shaky" fail once, those that begin with "bad" always.
 */
@SpringBootApplication
public class Orders {
  private static final Set<String> FAILED = ConcurrentHashMap.newKeySet();

  public static void main(String[] arguments) {
    SpringApplication.run(Orders.class, arguments);
  }

  private static void check(String order) {
    if (order.startsWith("bad") || order.startsWith("shaky") && FAILED.add(order)) {
      throw new IllegalStateException(order);
    }
  }

  /** Tries again by topics of its own, which the application creates, and gives up at last. */
  @Component
  @Profile("retries")
  static class Retries {
    private final KafkaTemplate<String, String> template;

    Retries(KafkaTemplate<String, String> template) {
      this.template = template;
    }

    @RetryableTopic(
        attempts = "3",
        backOff = @BackOff(delay = 200, multiplier = 2),
        topicSuffixingStrategy = TopicSuffixingStrategy.SUFFIX_WITH_INDEX_VALUE,
        numPartitions = "2")
    @KafkaListener(topics = "${source}", groupId = "${group}")
    void take(ConsumerRecord<String, String> order) {
      check(order.value());
      answer(order);
    }

    @DltHandler
    void giveUp(ConsumerRecord<String, String> order) {
      answer(order);
    }

    private void answer(ConsumerRecord<String, String> order) {
      template.sendDefault(order.key(), order.value() + " " + order.topic());
    }
  }

  /** Answers in the transaction that commits the order's offset; Boot makes its manager. */
  @Component
  @Profile("transactions")
  static class Transactions {
    private final KafkaTemplate<String, String> template;

    Transactions(KafkaTemplate<String, String> template) {
      this.template = template;
    }

    @KafkaListener(topics = "${source}", groupId = "${group}", concurrency = "2")
    void take(ConsumerRecord<String, String> order) {
      template.sendDefault(order.key(), order.value() + " " + order.topic());
      check(order.value());
    }
  }
}
