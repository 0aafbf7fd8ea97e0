"""Kafka record batches as bytes: header, records, compression, partitioning. No I/O."""
