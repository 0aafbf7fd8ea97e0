import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

/** Answers questions about schemas, one JSON object a line, for compare.py. */
public final class Answer {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    var questions =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    String line;
    while ((line = questions.readLine()) != null) {
      JsonNode question = JSON.readTree(line);
      ObjectNode answer = JSON.createObjectNode();
      try {
        if (question.has("schema")) {
          answer.put("canonical", parse(question.get("schema").textValue()).toString());
        } else if (question.has("one")) {
          Schema one = parse(question.get("one").textValue());
          answer.put("equal", one.equals(parse(question.get("other").textValue())));
        } else {
          Schema reader = parse(question.get("reader").textValue());
          Schema writer = parse(question.get("writer").textValue());
          ArrayNode reasons = answer.putArray("reasons");
          SchemaCompatibility.checkReaderWriterCompatibility(reader, writer)
              .getResult()
              .getIncompatibilities()
              .forEach(one -> reasons.add(one.getType() + " " + one.getLocation()));
        }
      } catch (RuntimeException error) {
        answer.put("error", error.toString());
      }
      out.println(JSON.writeValueAsString(answer));
    }
  }

  private static Schema parse(String text) {
    return new Schema.Parser(NameValidator.NO_VALIDATION).parse(text);
  }
}
