"""The Kafka wire adapter."""
