"""Version 2: topics, and consumers that live here between requests."""
