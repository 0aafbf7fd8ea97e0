"""Open edX's event bus: catalogue, sample events, and a producer and a consumer of our own."""
