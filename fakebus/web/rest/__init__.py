"""Confluent's REST Proxy: records, topics, consumers and groups as HTTP and JSON."""
