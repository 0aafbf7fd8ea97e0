"""Under which keys what is known of groups of streams is stored."""

GROUPS, PENDING = "redis.group/", "redis.pending/"
"""What the keys begin with of groups, and of entries that are pending."""
