"""Fixture files: loading, checking and seeding them."""
