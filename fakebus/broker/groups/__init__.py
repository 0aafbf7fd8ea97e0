"""Groups of every type, and committed offsets."""
