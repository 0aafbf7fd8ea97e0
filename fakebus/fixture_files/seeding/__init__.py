"""Seeding: the records of a set onto a bus, once."""

from fakebus.fixture_files.seeding.seeder import seed

__all__ = ["seed"]
