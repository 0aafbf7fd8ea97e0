"""Groups of Kafka Streams, whose tasks the coordinator gives out (KIP-1071)."""
