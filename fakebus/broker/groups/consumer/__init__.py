"""Groups whose partitions the coordinator shares out among the members (KIP-848)."""
