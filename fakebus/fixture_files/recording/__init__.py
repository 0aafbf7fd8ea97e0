"""Recording: from the records of a cluster to the files of a set."""
