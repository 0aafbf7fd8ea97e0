import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Members of a group that come and go as they are told, and tell what they own and read.
 *
 * <p>Heard: "join NAME GROUP TOPIC SETTING=VALUE...", "leave NAME", and "heard NAME" after each
 * "gain" or "lose". Said: "gain NAME PARTITION...", "lose NAME PARTITION...", "seen NAME PARTITION
 * FIRST-OFFSET COUNT", "left NAME". A callback does not return before it was heard: what is told of
 * several members is in the order in which it happened.
 */
final class Rebalances {
  private static final Map<String, Member> MEMBERS = new ConcurrentHashMap<>();

  public static void main(String[] arguments) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split(" ");
      switch (words[0]) {
        case "join" -> {
          Member member = new Member(words[1], arguments[0], words);
          MEMBERS.put(words[1], member);
          member.start();
        }
        case "leave" -> MEMBERS.get(words[1]).leaving = true;
        default -> MEMBERS.get(words[1]).heard.release();
      }
    }
    System.exit(0);
  }

  private static synchronized void say(String verb, String name, String rest) {
    System.out.println(verb + " " + name + " " + rest);
    System.out.flush();
  }

  private static final class Member extends Thread implements ConsumerRebalanceListener {
    final Semaphore heard = new Semaphore(0);
    volatile boolean leaving;
    private final String topic;
    private final Properties settings = new Properties();

    Member(String name, String bootstrapServers, String[] words) {
      super(name);
      setDaemon(true);
      topic = words[3];
      settings.put("bootstrap.servers", bootstrapServers);
      settings.put("group.id", words[2]);
      settings.put("auto.offset.reset", "earliest");
      settings.put("enable.auto.commit", "false");
      for (String setting : List.of(words).subList(4, words.length)) {
        settings.put(setting.split("=")[0], setting.split("=")[1]);
      }
    }

    private void tell(String verb, Collection<TopicPartition> partitions) {
      if (!partitions.isEmpty()) {
        say(
            verb,
            getName(),
            partitions.stream().map(each -> "" + each.partition()).collect(Collectors.joining(" ")));
        heard.acquireUninterruptibly();
      }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
      tell("gain", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
      tell("lose", partitions);
    }

    @Override
    public void run() {
      ByteArrayDeserializer bytes = new ByteArrayDeserializer();
      try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
        consumer.subscribe(List.of(topic), this);
        while (!leaving) {
          ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(50));
          for (TopicPartition each : records.partitions()) {
            long first = records.records(each).get(0).offset();
            int count = records.records(each).size();
            say("seen", getName(), each.partition() + " " + first + " " + count);
          }
          try {
            consumer.commitSync();
          } catch (CommitFailedException | RebalanceInProgressException gone) {
            // The next owner reads the records again.
            continue;
          }
        }
      }
      say("left", getName(), "");
    }
  }
}
