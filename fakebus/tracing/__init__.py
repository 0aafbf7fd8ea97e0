"""Tracing: spans of what clients did with records, for OpenTelemetry collectors."""
