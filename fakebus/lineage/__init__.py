"""Lineage: what happened to records, from what the broker sees and what their headers say."""
