"""Consumer groups of the classic protocol, and committed offsets."""
