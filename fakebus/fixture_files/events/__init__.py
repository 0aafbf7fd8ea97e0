"""Events of a set: the lines of files, and when they happen."""
