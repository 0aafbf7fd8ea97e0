"""Encoding of events: from lines to the records of a set."""
