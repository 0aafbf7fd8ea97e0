"""Groups whose members share out their partitions among themselves (the classic protocol)."""
