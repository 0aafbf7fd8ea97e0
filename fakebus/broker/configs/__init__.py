"""Kafka's config keys, and how their values are resolved."""
