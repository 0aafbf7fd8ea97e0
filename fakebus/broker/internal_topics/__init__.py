"""Internal topics: the records in which Kafka keeps groups and transactional ids."""
