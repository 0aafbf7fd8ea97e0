"""AsyncAPI documents of other teams, as sets: their topics, schemas and examples."""
