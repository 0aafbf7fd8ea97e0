"""fakebus: one small process that serves the Kafka protocol, for devstacks and test suites."""

__version__ = "0.1.0"
