"""The Avro language: types, text, compatibility and data."""
