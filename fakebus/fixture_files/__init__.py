"""Fixture files: loading, checking and seeding them."""

LEDGER_TOPIC = "__fakebus_seeded"
"""The notes of what was seeded; two underscores, as topics have that clients need not see."""
