"""Schema languages: Avro, JSON Schema and Protobuf, parsed, compared and used to code data."""
