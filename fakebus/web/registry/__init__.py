"""Confluent's Schema Registry REST interface."""
