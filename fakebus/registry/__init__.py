"""A Schema Registry: subjects, versions, ids, compatibility, modes and contexts."""
