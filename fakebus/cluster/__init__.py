"""A cluster as consoles and agents see it, from within a bus or through a client library."""
