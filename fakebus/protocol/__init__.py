"""The wire format of Kafka: bytes to messages and back, without any I/O."""
