"""Groups whose members take records of the same partitions, one by one (KIP-932)."""
