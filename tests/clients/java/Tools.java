import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/** Runs Kafka's own command line tools inside this process: a Java process each would be slow. */
final class Tools {
  private static final class Ended extends RuntimeException {
    private static final long serialVersionUID = 1;

    private Ended() {
      super(null, null, false, false);
    }
  }

  private Tools() {}

  static JsonNode run(JsonNode arguments) throws Exception {
    List<String> words = new ArrayList<>();
    arguments.get("arguments").forEach(word -> words.add(word.asText()));
    InputStream oldInput = System.in;
    PrintStream oldOutput = System.out;
    PrintStream oldErrors = System.err;
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    PrintStream captured = new PrintStream(output, true, StandardCharsets.UTF_8);
    // Some tools catch what is thrown here and exit again: the first status counts.
    List<Integer> statuses = new ArrayList<>();
    Exit.Procedure procedure =
        (status, message) -> {
          statuses.add(status);
          throw new Ended();
        };
    Exit.setExitProcedure(procedure);
    Exit.setHaltProcedure(procedure);
    try {
      System.setIn(new ByteArrayInputStream(
          arguments.path("input").asText().getBytes(StandardCharsets.UTF_8)));
      System.setOut(captured);
      System.setErr(captured);
      Class.forName(arguments.get("main").asText())
          .getMethod("main", String[].class)
          .invoke(null, (Object) words.toArray(new String[0]));
    } catch (InvocationTargetException error) {
      if (!(error.getCause() instanceof Ended)) {
        throw error;
      }
    } finally {
      System.setIn(oldInput);
      System.setOut(oldOutput);
      System.setErr(oldErrors);
      Exit.resetExitProcedure();
      Exit.resetHaltProcedure();
    }
    int status = statuses.isEmpty() ? 0 : statuses.get(0);
    return Contract.object().put("status", status).put("output", output.toString(StandardCharsets.UTF_8));
  }
}
