"""Speaking to a cluster from outside: Kafka and its registry, fakebus or not."""
