import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;

/** Apache Kafka's Java client: `java Client HOST:PORT`, commands on standard input. */
final class Client {
  private Client() {}

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("default.api.timeout.ms", String.valueOf(Contract.TIMEOUT_MS));
    settings.put("request.timeout.ms", "10000");
    Records records = new Records(arguments[0]);
    Map<String, Contract.Command> commands = new HashMap<>();
    commands.put("produce", records::produce);
    commands.put("consume", records::consume);
    commands.put("member", records::member);
    commands.put("read", records::read);
    commands.put("transact", new Transactions(arguments[0])::run);
    commands.put("tool", Tools::run);
    commands.put("count_words", new WordCount(arguments[0])::run);
    commands.put("say_causes", new Causes(arguments[0])::run);
    try (Admin admin = Admin.create(settings)) {
      Topics topics = new Topics(admin);
      commands.put("create_topic", topics::create);
      commands.put("describe_topic", topics::describe);
      commands.put("list_topics", topics::list);
      commands.put("delete_topic", topics::delete);
      commands.put("create_partitions", topics::createPartitions);
      commands.put("describe_configs", topics::describeConfigs);
      commands.put("alter_configs", topics::alterConfigs);
      commands.put("describe_cluster", topics::describeCluster);
      commands.put("offsets", topics::offsets);
      commands.put("delete_records", topics::deleteRecords);
      Groups groups = new Groups(admin);
      commands.put("list_groups", groups::list);
      commands.put("describe_group", groups::describe);
      commands.put("committed", groups::committed);
      commands.put("alter_offsets", groups::alterOffsets);
      commands.put("delete_offsets", groups::deleteOffsets);
      commands.put("delete_group", groups::delete);
      Shares shares = new Shares(arguments[0], admin);
      commands.put("share", shares::consume);
      commands.put("share_configs", shares::configure);
      commands.put("describe_share_group", shares::describe);
      commands.put("share_offsets", shares::offsets);
      commands.put("alter_share_offsets", shares::alterOffsets);
      commands.put("delete_share_offsets", shares::deleteOffsets);
      commands.put("delete_share_group", shares::delete);
      Contract.serve(commands);
    }
  }
}
