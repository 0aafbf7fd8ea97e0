import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;

/** Plain JSON as Avro's generic values; Avro's own reader wants the branch of each union named. */
final class JsonValues {
  private JsonValues() {}

  static Object toAvro(JsonNode value, Schema schema) {
    return switch (schema.getType()) {
      case RECORD -> record(value, schema);
      case ARRAY -> array(value, schema);
      case MAP -> map(value, schema);
      case UNION -> union(value, schema);
      case ENUM -> new GenericData.EnumSymbol(schema, value.asText());
      case STRING -> value.asText();
      case LONG -> value.asLong();
      case INT -> value.asInt();
      case DOUBLE -> value.asDouble();
      case BOOLEAN -> value.asBoolean();
      case NULL -> null;
      default -> throw new IllegalArgumentException("no JSON for " + schema);
    };
  }

  private static GenericRecord record(JsonNode value, Schema schema) {
    GenericRecord record = new GenericData.Record(schema);
    for (Schema.Field field : schema.getFields()) {
      record.put(field.pos(), toAvro(value.get(field.name()), field.schema()));
    }
    return record;
  }

  private static List<Object> array(JsonNode value, Schema schema) {
    List<Object> items = new ArrayList<>();
    for (JsonNode item : value) {
      items.add(toAvro(item, schema.getElementType()));
    }
    return items;
  }

  private static Map<String, Object> map(JsonNode value, Schema schema) {
    Map<String, Object> entries = new HashMap<>();
    for (Map.Entry<String, JsonNode> entry : Contract.fields(value)) {
      entries.put(entry.getKey(), toAvro(entry.getValue(), schema.getValueType()));
    }
    return entries;
  }

  /** Of the unions there are, null and one other type. */
  private static Object union(JsonNode value, Schema schema) {
    for (Schema branch : schema.getTypes()) {
      if (value.isNull() == (branch.getType() == Schema.Type.NULL)) {
        return toAvro(value, branch);
      }
    }
    throw new IllegalArgumentException(value + " is not in " + schema);
  }
}
