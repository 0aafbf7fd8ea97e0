"""Version 3: the cluster and all that is in it as resources, and records in an open stream."""
