"""Delivery of records to the members of share groups (KIP-932)."""
