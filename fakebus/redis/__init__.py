"""Redis Streams over the same log, for services whose event bus is Redis."""
