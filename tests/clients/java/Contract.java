import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;

/**
 * The program's side of tests/clients/README.md: commands come as JSON lines on standard input, and
 * each is answered by one line, a result or Kafka's error code.
 */
final class Contract {
  static final ObjectMapper JSON = new ObjectMapper();
  static final long TIMEOUT_MS = 20_000;

  private static final PrintStream ANSWERS =
      new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8);
  private static final BufferedReader COMMANDS =
      new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

  interface Command {
    JsonNode run(JsonNode arguments) throws Exception;
  }

  /** A server other than the broker refused, with an error code of its own. */
  static final class RefusedException extends Exception {
    private static final long serialVersionUID = 1;

    final int code;

    RefusedException(int code, String message) {
      super(message);
      this.code = code;
    }
  }

  private Contract() {}

  static void serve(Map<String, Command> commands) throws Exception {
    for (String line = COMMANDS.readLine(); line != null; line = COMMANDS.readLine()) {
      JsonNode arguments = JSON.readTree(line);
      Command command = commands.get(arguments.path("command").asText());
      if (command == null) {
        throw new IllegalArgumentException("no such command: " + line);
      }
      say(answer(command, arguments));
    }
  }

  private static ObjectNode answer(Command command, JsonNode arguments) throws Exception {
    ObjectNode answer = JSON.createObjectNode();
    try {
      answer.set("result", command.run(arguments));
    } catch (RefusedException refused) {
      answer.put("error_code", refused.code).put("message", refused.getMessage());
    } catch (ExecutionException | ApiException wrapped) {
      Throwable error = wrapped instanceof ExecutionException ? wrapped.getCause() : wrapped;
      Errors code = Errors.forException(error);
      if (code == Errors.UNKNOWN_SERVER_ERROR) {
        throw wrapped;
      }
      answer.put("error_code", code.code()).put("message", error.getMessage());
    }
    return answer;
  }

  static void say(JsonNode line) {
    ANSWERS.println(line);
  }

  static ObjectNode object() {
    return JSON.createObjectNode();
  }

  static ArrayNode array() {
    return JSON.createArrayNode();
  }

  /** Says whether the driver has sent another line, or has closed the pipe: a member stops then. */
  static boolean toldToStop() throws IOException {
    return COMMANDS.ready() && COMMANDS.readLine() != null;
  }

  static Iterable<Map.Entry<String, JsonNode>> fields(JsonNode node) {
    return node.properties();
  }

  static String textOrNull(JsonNode node) {
    return node == null || node.isNull() || node.isMissingNode() ? null : node.asText();
  }

  static byte[] bytesOrNull(JsonNode node) {
    String text = textOrNull(node);
    return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
  }

  static String text(byte[] bytes) {
    return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
  }
}
